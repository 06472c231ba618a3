#include "host/lineage/store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "host/base/log.h"
#include "host/base/status.h"

namespace outboard::lineage {
namespace {

constexpr size_t kReadBytes = 1 << 20;
// Beyond so many ids it is cheaper to read each line than to look for each id in it.
constexpr size_t kFewIds = 8;
constexpr auto kTidyEvery = std::chrono::hours(1);

// Calls `visit` for each whole line that the file has now; not for one without its end.
absl::Status ForEachLine(int fd, const std::function<void(absl::string_view)>& visit) {
  struct stat info {};
  if (fstat(fd, &info) != 0) return absl::UnavailableError(absl::StrCat("stat: ", strerror(errno)));
  std::string buffer;
  for (off_t at = 0; at < info.st_size;) {
    const size_t kept = buffer.size();
    const size_t most = std::min<size_t>(kReadBytes, static_cast<size_t>(info.st_size - at));
    buffer.resize(kept + most);
    const ssize_t got = pread(fd, buffer.data() + kept, most, at);
    if (got < 0 && errno == EINTR) {
      buffer.resize(kept);
      continue;
    }
    if (got < 0) return absl::UnavailableError(absl::StrCat("read: ", strerror(errno)));
    if (got == 0) return absl::OkStatus();
    at += got;
    buffer.resize(kept + static_cast<size_t>(got));
    size_t begin = 0;
    for (size_t end = buffer.find('\n', kept); end != std::string::npos;
         end = buffer.find('\n', begin)) {
      visit(absl::string_view(buffer).substr(begin, end - begin));
      begin = end + 1;
    }
    buffer.erase(0, begin);
  }
  return absl::OkStatus();
}

size_t BytesOf(const lane::Record& record) {
  size_t bytes = record.event.size();
  for (const Event& emit : record.emits) bytes += emit.size();
  return bytes;
}

// A descriptor that is closed at the end of its scope; -1: there is no such file.
class ReadOnly {
 public:
  explicit ReadOnly(const std::string& path) : fd_(open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  ~ReadOnly() {
    if (fd_ >= 0) close(fd_);
  }
  ReadOnly(const ReadOnly&) = delete;
  ReadOnly& operator=(const ReadOnly&) = delete;
  int fd() const { return fd_; }

 private:
  const int fd_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Store>> Store::Open(StoreOptions options) {
  OUTBOARD_CHECK(options.clock != nullptr);
  std::unique_ptr<Store> store(new Store(std::move(options)));
  OUTBOARD_RETURN_IF_ERROR(store->OpenFile());
  store->thread_ = std::thread([raw = store.get()] { raw->Run(); });
  return store;
}

Store::Store(StoreOptions options) : options_(std::move(options)) {}

Store::~Store() {
  {
    MutexLock lock(mu_);
    stop_ = true;
  }
  work_.NotifyAll();
  if (thread_.joinable()) thread_.join();
  MutexLock lock(file_mu_);
  if (fd_ >= 0) close(fd_);
}

std::string Store::PathOf(int number) const {
  return absl::StrCat(options_.folder, number == 0 ? "/lineage.jsonl" : "/lineage.1.jsonl");
}

absl::Status Store::OpenFile() {
  MutexLock lock(file_mu_);
  OUTBOARD_RETURN_IF_ERROR(BeginFile());
  const ReadOnly former(PathOf(1));
  if (former.fd() >= 0) {
    std::string last;
    OUTBOARD_RETURN_IF_ERROR(ForEachLine(former.fd(), [&](absl::string_view line) {
      if (!line.empty()) last.assign(line.data(), line.size());
    }));
    const std::optional<Row> row = ReadLine(last);
    former_last_ = row ? row->at : options_.clock->Now();
  }
  const ReadOnly now(PathOf(0));
  if (now.fd() < 0) return absl::OkStatus();
  struct stat info {};
  if (fstat(now.fd(), &info) != 0)
    return absl::UnavailableError(absl::StrCat("stat: ", strerror(errno)));
  uint64_t rows = 0;
  uint64_t whole = 0;
  std::optional<Time> begun;
  OUTBOARD_RETURN_IF_ERROR(ForEachLine(now.fd(), [&](absl::string_view line) {
    whole += line.size() + 1;
    if (line.empty()) return;
    ++rows;
    if (begun) return;
    if (const std::optional<Row> row = ReadLine(line)) begun = row->at;
  }));
  rows_ = rows;
  bytes_ = static_cast<uint64_t>(info.st_size);
  begun_ = begun.value_or(options_.clock->Now());
  cut_off_ = whole < bytes_;
  Tidy();
  return absl::OkStatus();
}

// Opens the file that grows, or makes it.
absl::Status Store::BeginFile() {
  const int fd = open(PathOf(0).c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) {
    return absl::UnavailableError(
        absl::StrCat(PathOf(0), ": ", strerror(errno),
                     ": check that this user may write there, or set host.lineage: false"));
  }
  if (fd_ >= 0) close(fd_);
  fd_ = fd;
  return absl::OkStatus();
}

void Store::Add(std::vector<Entry> entries) {
  bool wake = false;
  {
    MutexLock lock(mu_);
    const size_t before = waiting_.size();
    for (Entry& entry : entries) {
      const size_t bytes = BytesOf(entry.record);
      if (waiting_.size() >= options_.max_waiting ||
          waiting_bytes_ + bytes > options_.max_waiting_bytes) {
        ++dropped_;
        continue;
      }
      waiting_bytes_ += bytes;
      waiting_.push_back(std::move(entry));
    }
    const size_t many = options_.max_waiting / 2;
    wake = (before == 0 && !waiting_.empty()) || (before < many && waiting_.size() >= many);
  }
  if (wake) work_.NotifyOne();
}

void Store::Run() {
  bool stop = false;
  while (!stop) {
    {
      MutexLock lock(mu_);
      // Woken for nothing, it writes a little earlier.
      if (!stop_ && waiting_.empty()) work_.WaitFor(mu_, kTidyEvery);
      if (!stop_ && !waiting_.empty() && waiting_.size() < options_.max_waiting / 2)
        work_.WaitFor(mu_, options_.gather);
      stop = stop_;
    }
    MutexLock lock(file_mu_);
    WriteWaiting();
    Tidy();
  }
}

void Store::WriteWaiting() {
  std::vector<Entry> entries;
  {
    MutexLock lock(mu_);
    entries.swap(waiting_);
    waiting_bytes_ = 0;
  }
  for (size_t begin = 0; begin < entries.size();) {
    Tidy();
    const uint64_t room = std::max<uint64_t>(options_.rows / 2, 1) - rows_;
    const size_t count = std::min<size_t>(room, entries.size() - begin);
    std::string lines = cut_off_ ? "\n" : "";
    for (size_t i = begin; i < begin + count; ++i)
      AppendLine(entries[i].lane, entries[i].record, &lines);
    if (rows_ == 0) begun_ = entries[begin].record.at;
    const absl::Status status = Append(lines);
    if (status.ok()) rows_ += count;
    begin += count;
    (status.ok() ? written_ : dropped_) += count;
    if (!status.ok() && !failing_) {
      LogWarning("lineage", "rows are lost until this works again",
                 {{"file", PathOf(0)}, {"why", std::string(status.message())}});
    }
    failing_ = !status.ok();
  }
}

absl::Status Store::Append(const std::string& lines) {
  for (size_t done = 0; done < lines.size();) {
    const ssize_t wrote = write(fd_, lines.data() + done, lines.size() - done);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) {
      cut_off_ = true;
      return absl::UnavailableError(strerror(errno));
    }
    done += static_cast<size_t>(wrote);
    bytes_ += static_cast<uint64_t>(wrote);
  }
  cut_off_ = false;
  return absl::OkStatus();
}

// A full or old file becomes the former one; that one goes when its rows are too many or too old.
// Not while the disk fails: rows that are there would go for rows that cannot be written.
void Store::Tidy() {
  const Time now = options_.clock->Now();
  const bool full =
      rows_ >= std::max<uint64_t>(options_.rows / 2, 1) || bytes_ >= options_.bytes / 2;
  const bool old = rows_ > 0 && now - begun_ > options_.age / 2;
  if ((full || old) && !failing_) {
    // Where that cannot be, it begins anew.
    const bool renamed = rename(PathOf(0).c_str(), PathOf(1).c_str()) == 0 && BeginFile().ok();
    if (!renamed) (void)!ftruncate(fd_, 0);
    if (renamed) former_last_ = now;
    rows_ = bytes_ = 0;
    cut_off_ = false;
  }
  if (former_last_ && now - *former_last_ > options_.age) {
    unlink(PathOf(1).c_str());
    former_last_.reset();
  }
}

absl::StatusOr<Store::Found> Store::Find(const absl::flat_hash_set<std::string>& ids) {
  Found found;
  std::vector<std::string> few;
  if (ids.size() <= kFewIds) {
    for (const std::string& id : ids) few.push_back(IdInLine(id));
  }
  const Time oldest = options_.clock->Now() - options_.age;
  const auto visit = [&](absl::string_view line) {
    const bool may = few.empty() || !found.since ||
                     std::any_of(few.begin(), few.end(), [line](const std::string& id) {
                       return absl::StrContains(line, id);
                     });
    std::optional<Row> row = may ? ReadLine(line) : std::nullopt;
    if (!row || row->at < oldest) return;
    if (!found.since) found.since = row->at;
    const bool is_parent = std::any_of(row->emits.begin(), row->emits.end(),
                                       [&](const Child& child) { return ids.contains(child.id); });
    if (is_parent) found.parents.push_back(*row);
    if (ids.contains(row->id)) found.rows.push_back(*std::move(row));
  };
  // Opened together, so that a file that changes its name meanwhile is read once.
  std::unique_ptr<ReadOnly> former, now;
  {
    MutexLock lock(file_mu_);
    WriteWaiting();
    former = std::make_unique<ReadOnly>(PathOf(1));
    now = std::make_unique<ReadOnly>(PathOf(0));
  }
  for (const ReadOnly* file : {former.get(), now.get()}) {
    if (file->fd() >= 0) OUTBOARD_RETURN_IF_ERROR(ForEachLine(file->fd(), visit));
  }
  return found;
}

}  // namespace outboard::lineage
