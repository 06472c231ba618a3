#include "plugins/producers/sqlite/store.h"

#include <sys/stat.h>

#include <utility>

#include "plugins/common/event_json.h"
#include "plugins/common/failed_keys.h"

namespace outboard::sqlite {
namespace {

// The first table is Hermes's, which knows nothing of the second. WAL: who reads never waits for
// who writes.
constexpr char kSetUp[] = R"(
PRAGMA busy_timeout = 5000;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA cache_size = -65536;
PRAGMA journal_size_limit = 67108864;
CREATE TABLE IF NOT EXISTS hermesmessages (
  msgid INTEGER PRIMARY KEY AUTOINCREMENT,
  data TEXT NOT NULL,
  timestamp REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS outboard_identities (
  msgid INTEGER PRIMARY KEY,
  identity BLOB NOT NULL UNIQUE
);
)";

// So many rows go at once, so that a batch never waits long.
constexpr int64_t kPruneStep = 10'000;
constexpr std::chrono::minutes kPruneInterval(10);

// Time, source and id, which are the same for each delivery of an event and not for any other. Time
// is first, so that what comes next stands beside what came last in the index, which makes it
// cheap.
std::string KeyOf(const Event& event) {
  const auto time =
      static_cast<uint64_t>(event.time() ? event.time()->time_since_epoch().count() : 0);
  std::string key;
  for (int shift = 56; shift >= 0; shift -= 8) key += static_cast<char>(time >> shift);
  key.append(event.source());
  key += '\0';
  return key.append(event.id());
}

double Seconds(Timestamp time) {
  return std::chrono::duration<double>(time.time_since_epoch()).count();
}

Timestamp FromSeconds(double seconds) {
  return Timestamp(
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(seconds)));
}

}  // namespace

std::string Store::Open() {
  std::lock_guard lock(mutex_);
  if (database_.Open(config_.path) && database_.Execute(kSetUp) && Prepare()) return "";
  std::string fault = "cannot open the database " + config_.path + ": " + database_.LastError() +
                      "; its folder must exist and be writable, and the file must be SQLite's";
  Close();
  return fault;
}

bool Store::Prepare() {
  struct stat info;
  if (stat(config_.path.c_str(), &info) != 0) return false;
  device_ = info.st_dev;
  inode_ = info.st_ino;
  next_prune_ = Timestamp();
  return database_.Prepare("BEGIN IMMEDIATE", &begin_) && database_.Prepare("COMMIT", &commit_) &&
         database_.Prepare(
             "SELECT i.msgid, m.timestamp FROM outboard_identities i "
             "LEFT JOIN hermesmessages m ON m.msgid = i.msgid WHERE i.identity = ?",
             &find_) &&
         database_.Prepare("INSERT INTO hermesmessages (data, timestamp) VALUES (?, ?)",
                           &insert_) &&
         database_.Prepare("INSERT INTO outboard_identities (msgid, identity) VALUES (?, ?)",
                           &remember_) &&
         database_.Prepare(
             "DELETE FROM hermesmessages WHERE timestamp < ? AND msgid IN "
             "(SELECT msgid FROM hermesmessages ORDER BY msgid LIMIT ?)",
             &prune_) &&
         database_.Prepare(
             "DELETE FROM outboard_identities WHERE msgid < coalesce("
             "(SELECT min(msgid) FROM hermesmessages), "
             "(SELECT seq + 1 FROM sqlite_sequence WHERE name = 'hermesmessages'))",
             &forget_);
}

bool Store::IsReplaced() const {
  struct stat info;
  return stat(config_.path.c_str(), &info) != 0 || info.st_dev != device_ || info.st_ino != inode_;
}

void Store::Put(std::span<BatchItem> batch) {
  std::unique_lock lock(mutex_);
  if (database_.is_open() && IsReplaced()) Close();
  if (!database_.is_open()) {
    lock.unlock();
    if (const std::string fault = Open(); !fault.empty()) return Fail(batch, "NOT_OPEN", fault);
    lock.lock();
  }
  std::vector<Verdict> verdicts;
  if (Write(batch, &verdicts)) {
    for (size_t i = 0; i < batch.size(); ++i) batch[i].verdict = std::move(verdicts[i]);
    return;
  }
  const bool busy = database_.busy();
  Fail(batch, busy ? "DATABASE_BUSY" : "WRITE_FAILED",
       "cannot write to " + config_.path + ": " + database_.LastError() +
           (busy ? "; another program holds its write lock" : ""));
  Close();
}

bool Store::Write(std::span<BatchItem> batch, std::vector<Verdict>* verdicts) {
  const Timestamp now = Clock::now();
  common::FailedKeys failed;
  if (begin_.Step() != SQLITE_DONE) return false;
  begin_.Reset();
  for (BatchItem& item : batch) {
    if (failed.Has(item.context)) {
      verdicts->push_back(Release());
      continue;
    }
    std::optional<Verdict> verdict = PutOne(item.event, now);
    if (!verdict) return false;
    if (verdict->kind() != Verdict::Kind::kDone) failed.Add(item.context);
    verdicts->push_back(std::move(*verdict));
  }
  if (!Prune(now) || commit_.Step() != SQLITE_DONE) return false;
  commit_.Reset();
  return true;
}

std::optional<Verdict> Store::PutOne(const Event& event, Timestamp now) {
  if (config_.cloudevents) return Insert(event, common::EventJson(event), now);
  if (common::IsUtf8(event.data())) return Insert(event, event.data(), now);
  return Reject("NOT_TEXT",
                "the event's data is not UTF-8, and a row has text; format: cloudevents takes it");
}

std::optional<Verdict> Store::Insert(const Event& event, std::string_view data, Timestamp now) {
  const std::string key = KeyOf(event);
  find_.BindBlob(1, key.data(), key.size());
  const int found = find_.Step();
  if (found == SQLITE_ROW) {
    const Timestamp at = find_.IsNull(1) ? now : FromSeconds(find_.Real(1));
    Verdict verdict = Accepted(find_.Integer(0), at);
    find_.Reset();
    return verdict;
  }
  find_.Reset();
  if (found != SQLITE_DONE) return std::nullopt;
  insert_.Bind(1, data);
  insert_.Bind(2, Seconds(now));
  if (insert_.Step() != SQLITE_DONE) return std::nullopt;
  insert_.Reset();
  const int64_t row = database_.last_row();
  remember_.Bind(1, row);
  remember_.BindBlob(2, key.data(), key.size());
  if (remember_.Step() != SQLITE_DONE) return std::nullopt;
  remember_.Reset();
  return Accepted(row, now);
}

bool Store::Prune(Timestamp now) {
  if (config_.retention.count() == 0 || now < next_prune_) return true;
  prune_.Bind(1, Seconds(now - config_.retention));
  prune_.Bind(2, kPruneStep);
  if (prune_.Step() != SQLITE_DONE) return false;
  prune_.Reset();
  if (database_.changes() < kPruneStep) next_prune_ = now + kPruneInterval;
  if (forget_.Step() != SQLITE_DONE) return false;
  forget_.Reset();
  return true;
}

void Store::Fail(std::span<BatchItem> batch, const char* reason, const std::string& message) {
  for (BatchItem& item : batch) item.verdict = Retry(reason, message);
}

void Store::Close() {
  for (Statement* statement :
       {&begin_, &commit_, &find_, &insert_, &remember_, &prune_, &forget_}) {
    *statement = Statement();
  }
  database_.Close();
}

}  // namespace outboard::sqlite
