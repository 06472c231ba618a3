#include <algorithm>
#include <cmath>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "host/config/scalar.h"
#include "host/config/section.h"
#include "host/config/sections.h"

namespace outboard::config {
namespace {

constexpr uint32_t kMaxCpus = 4096;
constexpr uint32_t kMaxLimit = 1'000'000'000;
// A process of any language needs about as much to begin with.
constexpr uint64_t kMinMemory = uint64_t{1} << 20;
constexpr uint64_t kMaxMemory = uint64_t{1} << 50;
// Standard streams, a socket and its connection, an event loop.
constexpr uint32_t kMinFiles = 16;

void ReadCpus(const Value& value, uint32_t* millis) {
  std::string text;
  if (!Clean(value, [&] { ReadText(value, Secrecy::kOpen, &text); })) return;
  double cpus = 0;
  if (absl::SimpleAtod(text, &cpus) && cpus >= 0.01 && cpus <= kMaxCpus) {
    *millis = static_cast<uint32_t>(std::lround(cpus * 1000));
    return;
  }
  value.Problem(
      absl::StrCat("needs a number of CPUs from 0.01 to ", kMaxCpus, ", not ", value.Shown()),
      "write 1.5 for one and a half, 0.5 for half of one");
}

void ReadFolders(const Value& value, std::vector<std::string>* out) {
  for (const Value& item : ReadItems(value)) {
    std::string path;
    if (!Clean(item, [&] { ReadPath(item, &path); })) continue;
    if (path == "/") {
      item.Problem("is the whole file system", "name the folders that the plugin writes to");
    } else {
      out->push_back(std::move(path));
    }
  }
}

void ReadHidden(const Value& value, const std::vector<std::string>& write,
                std::vector<std::string>* out) {
  for (const Value& item : ReadItems(value)) {
    std::string path;
    if (!Clean(item, [&] { ReadPath(item, &path); })) continue;
    if (LiesIn(path, item.reading().directory)) {
      item.Problem("holds the folder of this file, which plugins work in, so it stays visible",
                   "name folders in it, or elsewhere");
    } else if (std::find(write.begin(), write.end(), path) != write.end()) {
      item.Problem("is in write as well", "keep it in one of them");
    } else {
      out->push_back(std::move(path));
    }
  }
}

}  // namespace

void ReadLimits(const Value& value, Limits* limits) {
  const Section section(value, {"memory", "cpu", "processes", "files", "require"});
  section.With("memory", ReadSize, kMinMemory, kMaxMemory, &limits->memory);
  section.With("cpu", ReadCpus, &limits->cpu_millis);
  section.With("processes", ReadCount, 1u, kMaxLimit, &limits->processes);
  section.With("files", ReadCount, kMinFiles, kMaxLimit, &limits->files);
  section.With("require", ReadBool, &limits->require);
}

void ReadSandbox(const Value& value, Sandbox* sandbox) {
  if (value.node().IsScalar()) {
    enum class Word { kNone, kOn, kStrict };
    Word word = Word::kNone;
    ReadChoice<Word>(
        value, {{"false", Word::kNone}, {"true", Word::kOn}, {"strict", Word::kStrict}}, &word);
    sandbox->on = word != Word::kNone;
    sandbox->require = word == Word::kStrict;
    return;
  }
  const Section section(value, {"user", "write", "hide", "network", "filter_syscalls", "require"});
  sandbox->on = true;
  section.With("user", ReadText, Secrecy::kOpen, &sandbox->user);
  section.With("write", ReadFolders, &sandbox->write);
  section.With("hide", ReadHidden, sandbox->write, &sandbox->hide);
  section.With("network", ReadBool, &sandbox->network);
  section.With("filter_syscalls", ReadBool, &sandbox->filter_syscalls);
  section.With("require", ReadBool, &sandbox->require);
}

}  // namespace outboard::config
