#include "host/bus/probation.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <new>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "host/base/log.h"
#include "host/base/stable_hash.h"

namespace outboard::bus {
namespace {

constexpr uint64_t kTitle = 0x3130'626f'7270'626f;  // "obprob01"
constexpr size_t kMaxFound = 32;

// How a host ended, as far as it could still say so.
struct HostEnd {
  int64_t pid = 0;
  int64_t max_rss_kib = 0;         // With the signal.
  std::atomic<int32_t> signal{0};  // 0: it could not say, as with SIGKILL or a loss of power.
  char version[44] = {};
};

// What was being read when a host ended.
struct Found {
  uint64_t fingerprint = 0;
  int64_t seen_us = 0;  // When the next host saw that.
  int64_t pid = 0;
  int64_t max_rss_kib = 0;
  int32_t signal = 0;
  uint32_t starts = 0;
  char version[44] = {};
};

// Where the handler below writes; of one host in a process.
std::atomic<HostEnd*> this_end{nullptr};

// Notes the signal and lets it end the process as it would have. Only what a handler may do.
void OnDeadlySignal(int signal) {
  HostEnd* const end = this_end.load();
  if (end != nullptr) {
    rusage usage{};
    if (getrusage(RUSAGE_SELF, &usage) == 0) end->max_rss_kib = usage.ru_maxrss;
    end->signal.store(signal);
  }
  raise(signal);  // Once this returns: it was reset.
}

void WatchSignals() {
  for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) {
    struct sigaction old {};
    // A sanitizer has its own.
    if (sigaction(signal, nullptr, &old) != 0 || old.sa_handler != SIG_DFL) continue;
    struct sigaction action {};
    action.sa_handler = OnDeadlySignal;
    action.sa_flags = static_cast<int>(SA_RESETHAND);
    sigaction(signal, &action, nullptr);
  }
}

std::string EndText(absl::string_view version, int64_t pid, int32_t signal, int64_t max_rss_kib) {
  std::string text = absl::StrCat("outboard ", version, ", pid ", pid, ", ");
  if (signal == 0) return text + "ended without a signal that it could note (killed, or no memory)";
  absl::StrAppend(&text, "ended by SIG", sigabbrev_np(signal));
  if (max_rss_kib > 0) absl::StrAppend(&text, ", peak memory ", max_rss_kib / 1024, " MiB");
  return text;
}

std::string TimeText(int64_t micros) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", absl::FromUnixMicros(micros), absl::UTCTimeZone());
}

}  // namespace

// Page cache, not disk: it is about the end of the process alone.
struct Probation::File {
  uint64_t title = 0;
  std::atomic<uint64_t> current{0};  // Fingerprint of what is being read; 0: nothing is.
  HostEnd end;
  Found found[kMaxFound];
};

uint64_t Probation::FingerprintOf(absl::string_view place, absl::string_view bytes) {
  StableHash hash;
  hash.Add(place);
  hash.Add(bytes);
  return std::max<uint64_t>(hash.value(), 1);
}

Probation::~Probation() {
  if (file_ == nullptr) return;
  this_end = nullptr;
  if (ended_well_ || fresh_) unlink(path_.c_str());
  munmap(file_, sizeof(File));
}

void Probation::Begin(const std::string& folder) {
  path_ = absl::StrCat(folder, "/host-runs");
  const int fd = open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  int error = fd < 0 ? errno : 0;
  struct stat was {};
  if (error == 0 && fstat(fd, &was) != 0) error = errno;
  // On a full disk a mapped page that was never written would end the process.
  if (error == 0) error = posix_fallocate(fd, 0, sizeof(File));
  void* const mapped = error != 0
                           ? MAP_FAILED
                           : mmap(nullptr, sizeof(File), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (error == 0 && mapped == MAP_FAILED) error = errno;
  if (fd >= 0) close(fd);
  if (error != 0) {
    LogWarning("bus", "the host cannot note what it reads: what it dies of will not be found",
               {{"file", path_}, {"error", strerror(error)}});
    return;
  }
  file_ = static_cast<File*>(mapped);
  fresh_ = was.st_size == 0;
  if (file_->title != kTitle) {
    file_ = new (mapped) File();  // Of another version: that it is there tells enough.
    file_->title = kTitle;
  }
  if (!fresh_) Learn();
  HostEnd* const end = new (&file_->end) HostEnd();
  end->pid = getpid();
  strncpy(end->version, OUTBOARD_VERSION, sizeof(end->version) - 1);
  file_->current = 0;
  this_end = end;
  WatchSignals();
  if (!fresh_) left_ = kDeliveries;
}

// From how the host before this one ended.
void Probation::Learn() {
  const HostEnd& end = file_->end;
  const std::string how = EndText(end.version, end.pid, end.signal, end.max_rss_kib);
  const uint64_t current = file_->current;
  uint32_t starts = 0;
  if (current != 0) {
    // A free or known one, else the one that was found least.
    Found* found = &file_->found[0];
    for (Found& other : file_->found) {
      if (other.fingerprint == current) {
        found = &other;
        break;
      }
      if (other.starts < found->starts) found = &other;
    }
    starts = found->fingerprint == current ? found->starts + 1 : 1;
    *found = {current,    clock_->Now().time_since_epoch().count(),
              end.pid,    end.max_rss_kib,
              end.signal, starts,
              {}};
    memcpy(found->version, end.version, sizeof(found->version));
  }
  LogWarning("bus",
             "the host before this one did not end by itself: the first deliveries are read one at "
             "a time",
             {{"deliveries", absl::StrCat(kDeliveries)},
              {"end", how},
              {"while", current == 0        ? "it read nothing, or was not in probation"
                        : starts >= kStarts ? "it read what another one had died of: convicted"
                                            : "it read a delivery: convicted if that recurs"}});
}

std::optional<DeadReason> Probation::WhyNot(uint64_t fingerprint, bool counts) {
  const auto found = std::find_if(std::begin(file_->found), std::end(file_->found),
                                  [fingerprint](const Found& one) {
                                    return one.fingerprint == fingerprint && one.starts >= kStarts;
                                  });
  if (found == std::end(file_->found)) return std::nullopt;
  const std::string report = absl::StrCat(
      "the last of them: ", EndText(found->version, found->pid, found->signal, found->max_rss_kib),
      ", found dead at ", TimeText(found->seen_us));
  if (counts) {
    ++convictions_;
    LogError("bus", "a delivery is convicted of ending the host: see `outboard dead list`",
             {{"report", report}});
  }
  return DeadReason{kHostCrash,
                    absl::StrCat(found->starts, " hosts died while they decoded and routed it"),
                    report};
}

void Probation::Enter(uint64_t fingerprint) {
  // Another shard may be reading, which takes microseconds.
  for (uint64_t none = 0; !file_->current.compare_exchange_weak(none, fingerprint); none = 0)
    std::this_thread::yield();
}

void Probation::Leave(bool counts) {
  file_->current = 0;
  if (!counts) return;
  uint64_t left = left_.load();
  while (left > 0 && !left_.compare_exchange_weak(left, left - 1)) continue;
  if (left == 1) LogInfo("bus", "the probation of the host is over");
}

}  // namespace outboard::bus
