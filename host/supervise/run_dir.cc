#include "host/supervise/run_dir.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <system_error>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "host/base/log.h"
#include "host/base/status.h"
#include "host/base/text.h"
#include "host/supervise/cgroups.h"
#include "host/supervise/file_lock.h"
#include "host/supervise/predecessor.h"
#include "host/supervise/procfs.h"

namespace outboard::supervise {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxSocketPath = sizeof(sockaddr_un::sun_path) - 1;
constexpr absl::string_view kSocketName = "/plugin.sock";
constexpr absl::string_view kFallbackPrefix = "outboard-";

absl::Status FolderError(const std::string& dir, absl::string_view error) {
  return absl::FailedPreconditionError(
      absl::StrCat("cannot use the folder ", EscapeForPeople(dir), ": ", error,
                   "; fix: make it writable for this user, or set host.data to another folder"));
}

absl::Status HostLives(const std::string& dir, pid_t pid) {
  return absl::FailedPreconditionError(absl::StrCat(
      "another host", pid > 0 ? absl::StrCat(" (pid ", pid, ")") : "", " uses ",
      EscapeForPeople(dir), "; fix: stop it, or give this host a host.data folder of its own"));
}

std::optional<LaunchRecord> ReadRecord(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  std::stringstream text;
  text << file.rdbuf();
  absl::StatusOr<LaunchRecord> record = ParseLaunchRecord(text.str());
  if (record.ok()) return *std::move(record);
  LogWarning("supervise", absl::StrCat("ignored ", path, ": ", record.status().message()));
  return std::nullopt;
}

bool CanBind(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() > kMaxSocketPath) return false;
  std::memcpy(address.sun_path, path.data(), path.size());
  const Fd socket_fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  unlink(path.c_str());
  const bool bound =
      bind(socket_fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  unlink(path.c_str());
  return bound;
}

std::string FileName(absl::string_view label) {
  std::string name(label.substr(0, 40));
  for (char& c : name) {
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '.' && c != '-') c = '_';
  }
  return name;
}

// A folder of ours outside `run`: of this user (or, for root, of a plugin's), no link, with our
// prefix.
bool IsFallbackDir(const std::string& dir) {
  struct stat info;
  return absl::StartsWith(fs::path(dir).filename().string(), kFallbackPrefix) &&
         lstat(dir.c_str(), &info) == 0 && S_ISDIR(info.st_mode) &&
         (info.st_uid == geteuid() || geteuid() == 0);
}

}  // namespace

RunDir::RunDir(std::string dir, std::string fallback_dir, Fd lock)
    : dir_(std::move(dir)), fallback_dir_(std::move(fallback_dir)), lock_(std::move(lock)) {}

RunDir::~RunDir() {
  if (!record_.processes.empty()) return;
  unlink(absl::StrCat(dir_, "/launched").c_str());
}

absl::StatusOr<std::unique_ptr<RunDir>> RunDir::Open(const std::string& data_dir,
                                                     const std::string& fallback_dir) {
  std::error_code error;
  const std::string dir = (fs::absolute(data_dir, error).lexically_normal() / "run").string();
  fs::create_directories(fs::path(dir).parent_path(), error);
  if (mkdir(dir.c_str(), 0700) != 0 && errno != EEXIST)
    return FolderError(dir, std::strerror(errno));
  const std::string lock_path = absl::StrCat(dir, "/lock");
  absl::StatusOr<Fd> lock = TakeLock(lock_path);
  if (absl::IsFailedPrecondition(lock.status())) {
    const std::optional<LaunchRecord> record = ReadRecord(absl::StrCat(dir, "/launched"));
    return HostLives(data_dir, record.has_value() ? record->host.pid : 0);
  }
  if (!lock.ok()) return FolderError(lock_path, lock.status().message());
  std::unique_ptr<RunDir> self(new RunDir(dir, fallback_dir, *std::move(lock)));
  OUTBOARD_RETURN_IF_ERROR(self->ClearPredecessor());
  self->sockets_work_ = CanBind(absl::StrCat(dir, "/probe"));
  const std::optional<ProcStat> stat = ReadProcStat(getpid());
  self->record_.host = {getpid(), stat.has_value() ? stat->start_ticks : 0};
  self->record_.boot_id = BootId();
  self->record_.pid_namespace = PidNamespace();
  self->WriteRecord();
  if (self->write_failed_) return FolderError(dir, std::strerror(EACCES));
  return self;
}

absl::Status RunDir::ClearPredecessor() {
  const std::optional<LaunchRecord> record = ReadRecord(absl::StrCat(dir_, "/launched"));
  if (record.has_value()) {
    if (record->host.pid != getpid() && IsAlive(*record, record->host)) {
      return HostLives(dir_, record->host.pid);
    }
    const std::string done = EndPredecessor(*record);
    if (!done.empty()) LogWarning("supervise", done);
  }
  RemoveLeftovers(record.value_or(LaunchRecord()));
  return absl::OkStatus();
}

void RunDir::RemoveLeftovers(const LaunchRecord& record) {
  for (const LaunchedProcess& process : record.processes) {
    RemoveSocketDir(process.socket_dir);
    for (const std::string& folder : process.cgroups) RemoveCgroup(folder);
  }
  std::error_code error;
  std::vector<fs::path> folders;
  for (fs::directory_iterator it(dir_, error), end; !error && it != end; it.increment(error)) {
    if (it->is_directory(error) && !it->is_symlink(error)) folders.push_back(it->path());
  }
  for (const fs::path& folder : folders) fs::remove_all(folder, error);
}

absl::StatusOr<std::string> RunDir::MakeSocketDir(absl::string_view label, uid_t owner,
                                                  gid_t group) {
  std::string dir = absl::StrCat(dir_, "/", FileName(label), ".XXXXXX");
  int error = 0;
  if (owner == 0 && sockets_work_ && dir.size() + kSocketName.size() <= kMaxSocketPath) {
    if (mkdtemp(dir.data()) != nullptr) return dir;
    error = errno;
  }
  std::string fallback = absl::StrCat(fallback_dir_, "/", kFallbackPrefix, "XXXXXX");
  if (fallback.size() + kSocketName.size() <= kMaxSocketPath &&
      mkdtemp(fallback.data()) != nullptr) {
    // Whoever cannot give it away cannot start a process of that user either, which is told there.
    [[maybe_unused]] const int ignored = owner != 0 ? chown(fallback.c_str(), owner, group) : 0;
    return fallback;
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "no folder for its socket: ", EscapeForPeople(dir_),
      error != 0 ? absl::StrCat(": ", std::strerror(error))
      : owner != 0
          ? " is not open to the plugin's own user"
          : " is too long for a socket (107 bytes in all) or on a file system without sockets",
      ", and ", EscapeForPeople(fallback_dir_), ": ", std::strerror(errno),
      "; fix: set host.data to a shorter, writable path"));
}

void RunDir::RemoveSocketDir(const std::string& dir) {
  if (!absl::StartsWith(dir, absl::StrCat(dir_, "/")) && !IsFallbackDir(dir)) return;
  std::error_code error;
  fs::remove_all(dir, error);
}

void RunDir::Remember(LaunchedProcess process) {
  record_.processes.push_back(std::move(process));
  WriteRecord();
}

void RunDir::Forget(const ProcessId& launcher) {
  std::erase_if(record_.processes,
                [&](const LaunchedProcess& process) { return process.launcher == launcher; });
  WriteRecord();
}

// Whole, by rename: a reader never sees half of it. Not synced: a machine that went down has no
// processes.
void RunDir::WriteRecord() {
  const std::string path = absl::StrCat(dir_, "/launched");
  const std::string next = absl::StrCat(path, ".new");
  bool ok = false;
  {
    std::ofstream file(next, std::ios::binary | std::ios::trunc);
    file << FormatLaunchRecord(record_);
    file.close();
    ok = !file.fail() && rename(next.c_str(), path.c_str()) == 0;
  }
  if (!ok && !write_failed_) {
    LogWarning("supervise", absl::StrCat("cannot write ", path,
                                         ": after a crash the next host may "
                                         "miss processes; fix: make room, check permissions"));
  }
  write_failed_ = !ok;
}

}  // namespace outboard::supervise
