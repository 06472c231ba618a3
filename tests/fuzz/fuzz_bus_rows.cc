// Any rows in the file of the embedded bus, one on a line (Insert). What they cannot mean is
// refused, nothing else is lost by it, and what is written of what was read reads back the same.
#include <map>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "host/bus/attempts.h"
#include "host/bus/embedded/books.h"
#include "host/bus/embedded/filter_text.h"
#include "host/bus/embedded/log_reader.h"
#include "host/bus/embedded/schema.h"
#include "host/event/json.h"
#include "tests/fuzz/fuzz.h"

namespace outboard::fuzz {
namespace {

using namespace bus;  // NOLINT: all is about it.

// SQLite's files in memory, which have names.
constexpr char kVfs[] = "memdb";
constexpr char kFile[] = "/rows";
constexpr uint64_t kMaxEvents = 1000;

struct Table {
  const char* name;
  int columns;
};

const std::map<char, Table>& Tables() {
  static const auto* const tables = new std::map<char, Table>{
      {'m', {"meta", 2}}, {'e', {"log", 4}},   {'q', {"queue", 7}}, {'s', {"segment", 5}},
      {'l', {"lane", 6}}, {'h', {"held", 10}}, {'d', {"dead", 14}}, {'p', {"placed", 4}},
  };
  return *tables;
}

// A letter for the table, then the values, each behind a |: a number after #, bytes after %, both
// with \x and the like, NULL for nothing, '' for an empty text, else text.
void Insert(Db& db, absl::string_view line) {
  const auto found = line.empty() ? Tables().end() : Tables().find(line[0]);
  if (found == Tables().end()) return;
  std::vector<std::string> values;
  for (const absl::string_view part : absl::StrSplit(line.substr(1), '|')) {
    if (!absl::CUnescape(part, &values.emplace_back())) values.back() = std::string(part);
  }
  const size_t columns = static_cast<size_t>(found->second.columns);
  std::string sql = absl::StrCat("INSERT OR REPLACE INTO ", found->second.name, " VALUES(?");
  for (size_t i = 1; i < columns; ++i) sql += ",?";
  Stmt insert;
  Expect(insert.Prepare(db, sql + ")").ok() ? "" : "the table is another one", line);
  for (size_t i = 1; i < values.size() && i <= columns; ++i) {
    const std::string& value = values[i];
    int64_t number = 0;
    if (value[0] == '#' && absl::SimpleAtoi(value.substr(1), &number)) {
      insert.Bind(static_cast<int>(i), number);
    } else if (value[0] == '%') {
      insert.BindBlob(static_cast<int>(i), absl::string_view(value).substr(1));
    } else if (!value.empty()) {
      const absl::string_view text = value == "''" ? absl::string_view() : value;
      insert.BindText(static_cast<int>(i), text);  // Not copied.
    }
  }
  (void)insert.Run();  // What the schema refuses is not there.
}

// All that it handed out ends, in an order of its own: nothing is left.
void PlayLedger(Ledger* ledger, absl::string_view input) {
  const Ledger::Progress at = ledger->Open(Time{});
  const size_t owed = at.unsettled.size();
  for (size_t i = 0; i < owed; i += 2) ledger->End(i);
  ledger->Stragglers(Time{}, true);
  const Ledger::Progress half = ledger->Now();
  Expect(half.unsettled.size() <= owed ? "" : "more is owed than was", input);
  for (size_t i = 1; i < owed; i += 2) ledger->End(i);
  ledger->Trim();
  Expect(ledger->Now().unsettled.empty() ? "" : "all has ended, and something is owed", input);
  Expect(ledger->cursor() >= at.cursor ? "" : "the cursor went back", input);
  ledger->Close();
}

bool Same(const Segments& a, const Segments& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
    return x.begin == y.begin && x.end == y.end && x.not_before == y.not_before &&
           x.filters == y.filters;
  });
}

// What the writer would write of its queues is what it would read.
void WriteQueues(Books& books, absl::string_view input) {
  const auto rows = books.store->ReadQueues();
  Expect(rows.ok() ? "" : "queues that were read are not read again", input);
  for (const QueueRow& row : *rows) {
    Expect(books.store->SaveQueue(row.id, row.at, row.counts).ok() ? "" : "not saved", input);
    Expect(books.store->SaveSegments(row.id, row.segments).ok() ? "" : "not saved", input);
  }
  const auto again = books.store->ReadQueues();
  Expect(again.ok() && again->size() == rows->size() ? "" : "other queues", input);
  for (size_t i = 0; i < rows->size(); ++i) {
    Expect((*again)[i].at.unsettled == (*rows)[i].at.unsettled ? "" : "other offsets", input);
    Expect(Same((*again)[i].segments, (*rows)[i].segments) ? "" : "other segments", input);
  }
}

// Letters as they are listed and looked for. What is kept of a history reads back the same.
void ReadLetters(Books& books, absl::string_view input) {
  Stmt list;
  const std::string sql = absl::StrCat("SELECT ", kDeadColumns, " FROM dead ORDER BY id");
  Expect(list.Prepare(books.store->db(), sql).ok() ? "" : "letters are not listed", input);
  for (auto more = list.Step(); more.ok() && *more; more = list.Step()) {
    const DeadLetter letter = ReadLetter(list, *books.caution);
    Expect(letter.event.empty() || letter.raw.empty() ? "" : "raw bytes of an event", input);
    const bool convicted = letter.why.reason == kHostCrash;
    const bool decoded = !letter.event.empty() || !letter.edited.empty();
    Expect(convicted && decoded ? "what hosts died of was decoded" : "", input);
    const std::vector<Attempt> once = FromHistory(ToHistory(&letter.history));
    Expect(FromHistory(ToHistory(&once)) == once ? "" : "another history", input);
  }
  // By what only the event says: each letter is read.
  DeadFilter filter;
  filter.type = "#";
  filter.ids = {1};
  (void)CheckReplay(books, filter);
}

// What producers said is written as it was read, in rows that are of the types that it writes.
void ReadPlaces(Books& books, absl::string_view input) {
  Stmt read;
  const auto all =
      "SELECT lane, at, at_us, \"offset\" FROM placed WHERE typeof(lane)='text' AND "
      "typeof(\"offset\")='integer'";
  Expect(read.Prepare(books.store->db(), all).ok() ? "" : "places are not read", input);
  std::map<std::pair<uint64_t, std::string>, Placed> places;
  for (auto more = read.Step(); more.ok() && *more; more = read.Step()) {
    auto [lane, placed] = ReadPlaced(read);
    places[{read.UInt(3), std::move(lane)}] = std::move(placed);
  }
  for (const auto& [at, placed] : places)
    Expect(books.store->SavePlaced(at.first, at.second, placed).ok() ? "" : "not placed", input);
  read.Reset();
  for (auto more = read.Step(); more.ok() && *more; more = read.Step()) {
    const auto [lane, placed] = ReadPlaced(read);
    const auto before = places.find({read.UInt(3), lane});
    Expect(before != places.end() && before->second == placed ? "" : "another place", input);
  }
}

void ReadEvents(Books& books, absl::string_view input) {
  const auto reader = LogReader::Create(kFile, kVfs, books.tail, books.caution);
  Expect(reader.ok() ? "" : std::string(reader.status().message()), input);
  uint64_t next = 0, before = 0;
  const auto look = [&](uint64_t offset, Time, const Event& event) {
    Expect(offset >= before ? "" : "the log goes back", input);
    before = offset + 1;
    if (event.empty()) return true;
    books.matcher.Match(event.source(), event.type());
    event.attribute("key");
    Expect(EventToJson(event).empty() ? "an event has no text" : "", input);
    return true;
  };
  const uint64_t to = std::min(books.next_offset, books.first_offset + kMaxEvents);
  Expect((*reader)->Read(books.first_offset, to, &next, look).ok() ? "" : "not read", input);
  for (const auto& queue : books.queues) {
    (void)(*reader)->ReadMoved(queue->id, INT64_MAX);
    (void)(*reader)->ReadHeld(
        queue->id, [&](int64_t row, uint64_t, Time) { return (*reader)->Current().id == row; });
  }
}

}  // namespace
}  // namespace outboard::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace outboard::fuzz;  // NOLINT: the entry point has no namespace.
  using namespace outboard;        // NOLINT
  const absl::string_view input = AsText(data, size);
  auto db = OpenForWriting(kFile, kVfs, Synchronous::kOff, CurrentSchema());
  Expect(db.ok() ? "" : std::string(db.status().message()), input);
  for (const absl::string_view line : absl::StrSplit(input, '\n')) Insert(**db, line);
  RealClock clock;
  Catalog catalog;
  Tail tail;
  Caution caution(nullptr);
  Books books;
  auto store = Store::Create(*std::move(db));
  if (!store.ok()) return 0;
  books.store = *std::move(store);
  books.catalog = &catalog;
  books.tail = &tail;
  books.caution = &caution;
  books.clock = &clock;
  if (!books.Load().ok()) return 0;
  for (const auto& queue : books.queues) PlayLedger(&queue->ledger, input);
  books.NeededFrom();
  books.SlowestLane();
  WriteQueues(books, input);
  ReadEvents(books, input);
  ReadLetters(books, input);
  ReadPlaces(books, input);
  return 0;
}
