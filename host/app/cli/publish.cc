#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <ostream>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "host/app/cli/line_reader.h"
#include "host/app/cli/message_json.h"
#include "host/app/cli/publish_stream.h"
#include "host/app/cli/receipt_text.h"
#include "host/app/cli/single_event.h"
#include "host/app/cli/verbs.h"
#include "host/base/status.h"
#include "host/base/text.h"

namespace outboard::app {
namespace {

using Steady = std::chrono::steady_clock;

constexpr size_t kMaxDataBytes = size_t{1} << 30;
constexpr auto kProgressEvery = std::chrono::milliseconds(200);

// The first Ctrl-C ends the input and waits for what is under way, the second ends the program.
volatile bool g_stop = false;
void Stop(int) { g_stop = true; }

void StopOnSignals() {
  g_stop = false;
  struct sigaction action {};
  action.sa_handler = Stop;
  action.sa_flags = SA_RESETHAND;  // And no SA_RESTART: a read that waits returns.
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

// A descriptor that is closed at the end, or standard input, which is not.
class File {
 public:
  File() = default;
  ~File() {
    if (owned_) close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  // False with errno.
  bool Open(const std::string& path, int flags) {
    fd_ = open(path.c_str(), flags | O_CLOEXEC, 0644);
    owned_ = fd_ >= 0;
    return owned_;
  }
  void Borrow(int fd) { fd_ = fd; }
  int fd() const { return fd_; }

 private:
  int fd_ = -1;
  bool owned_ = false;
};

// --data, or the bytes of --data-file.
absl::StatusOr<std::string> ReadData(const PublishOptions& options, const Terminal& terminal) {
  if (options.data_file.empty()) return options.data;
  File file;
  if (options.data_file == "-") {
    file.Borrow(terminal.in);
  } else if (!file.Open(options.data_file, O_RDONLY)) {
    return absl::InvalidArgumentError(
        absl::StrCat("--data-file: cannot read ", options.data_file, ": ", std::strerror(errno)));
  }
  std::string data;
  char block[64 << 10];
  ssize_t n;
  while ((n = read(file.fd(), block, sizeof(block))) > 0 && data.size() < kMaxDataBytes) {
    data.append(block, static_cast<size_t>(n));
  }
  if (n < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("--data-file: cannot read ", options.data_file, ": ", std::strerror(errno)));
  }
  return data;
}

void WarnOfUnmatched(const PublishTally& tally, const Terminal& terminal) {
  for (const auto& [type, count] : tally.unmatched_types) {
    terminal.err << "outboard: warning: matched: 0 for " << count
                 << (count == 1 ? " event" : " events") << " of type " << EscapeForPeople(type)
                 << ": no route of this host takes them" << std::endl;
  }
}

// What a stage does with an event is no failure.
int TellDropped(const Event& event, const std::string& stage, const Client& client,
                const Terminal& terminal) {
  if (client.json()) {
    const Json answer = {
        {"id", std::string(event.id())}, {"confirmed", false}, {"dropped_by", stage}};
    terminal.out << ToLine(answer) << std::endl;
  } else {
    terminal.out << "dropped " << EscapeForPeople(event.id()) << ", by stage "
                 << EscapeForPeople(stage) << std::endl;
  }
  return kOk;
}

int PublishOne(const PublishOptions& options, const Terminal& terminal) {
  const absl::StatusOr<std::string> data = ReadData(options, terminal);
  if (!data.ok())
    return TellError(terminal, options.host.json, kUsage, std::string(data.status().message()));
  const absl::StatusOr<Event> event =
      EventFromFlags(options, *data, options.has_data || !options.data_file.empty());
  if (!event.ok()) {
    return TellError(terminal, options.host.json, kUsage, std::string(event.status().message()));
  }
  Client client(options.host, terminal);
  if (!client.connected()) return client.exit_code();
  host::v1::PublishRequest request;
  OUTBOARD_CHECK(
      request.add_events()->ParseFromArray(event->bytes().data(), static_cast<int>(event->size())));
  if (options.receipts > 0) {
    const auto micros = static_cast<int64_t>(options.receipts * 1e6);
    request.mutable_receipts_within()->set_seconds(micros / 1'000'000);
    request.mutable_receipts_within()->set_nanos(static_cast<int32_t>(micros % 1'000'000) * 1000);
  }
  host::v1::PublishResponse response;
  grpc::ClientContext context;
  client.Authorize(&context);
  const grpc::Status status = client.publisher().Publish(&context, request, &response);
  if (!status.ok()) return client.Fail(status);
  if (response.results_size() != 1) {
    return client.Fail(kFailed,
                       "the host gave no answer for the event; it may be of another version");
  }
  const host::v1::PublishResult& result = response.results(0);
  if (!result.dropped_by().empty())
    return TellDropped(*event, result.dropped_by(), client, terminal);
  if (!result.confirmed()) return client.Fail(kFailed, "not published: " + result.message());
  if (client.json()) {
    Json answer = {
        {"id", std::string(event->id())}, {"confirmed", true}, {"matched", result.matched()}};
    if (result.offset() > 0) answer["offset"] = result.offset();
    if (options.receipts > 0) {
      answer["receipts"] = Json::array();
      for (const host::v1::Receipt& receipt : result.receipts())
        answer["receipts"].push_back(ToJson(receipt));
    }
    terminal.out << ToLine(answer) << std::endl;
    return kOk;
  }
  terminal.out << "confirmed " << EscapeForPeople(event->id()) << ", matched: " << result.matched()
               << std::endl;
  for (const host::v1::Receipt& receipt : result.receipts())
    terminal.out << "  " << ReceiptText(receipt) << std::endl;
  if (const int told = result.receipts_size(); static_cast<int>(result.reporting()) > told) {
    terminal.err << "outboard: warning: " << static_cast<int>(result.reporting()) - told
                 << " more did not end it within " << options.receipts << " s" << std::endl;
  }
  if (result.matched() == 0) {
    terminal.err << "outboard: warning: matched: 0: no route of this host takes type "
                 << EscapeForPeople(options.type) << " from source "
                 << EscapeForPeople(options.source) << std::endl;
  }
  return kOk;
}

// Publishes the lines of one input and tells what became of them.
class Feed {
 public:
  Feed(const PublishOptions& options, const Terminal& terminal, Client* client, int in,
       int confirmed_log)
      : options_(options),
        terminal_(terminal),
        client_(client),
        name_(options.file == "-" ? "standard input" : options.file),
        lines_(in),
        stream_(client, confirmed_log),
        next_(options.from_line) {}

  int Run() {
    std::string line;
    while (!g_stop && NextLine(&line)) {
      if (lines_.number() < options_.from_line ||
          line.find_first_not_of(" \t") == std::string::npos)
        continue;
      absl::StatusOr<Event> event = EventFromLine(line);
      if (!event.ok()) {
        bad_line_ = lines_.number();
        bad_ = std::string(event.status().message());
        break;
      }
      if (!Pace()) break;
      const bool go_on = stream_.Add(*event, lines_.number(), g_stop);
      ++added_;
      next_ = lines_.number() + 1;
      if (!go_on) break;
      Progress();
    }
    stopped_ = g_stop;
    const volatile bool never = false;  // What was added before a Ctrl-C still goes out.
    stream_.Flush(never);
    const grpc::Status status = stream_.Finish();
    return Tell(status, stream_.tally());
  }

 private:
  // Nothing read waits behind an input that is slow.
  bool NextLine(std::string* line) {
    if (!lines_.HasLine() && !stream_.Flush(g_stop)) return false;
    return lines_.Next(line);
  }

  // Waits until the next event is due.
  bool Pace() {
    if (options_.rate <= 0) return true;
    const auto due =
        start_ + std::chrono::duration_cast<Steady::duration>(
                     std::chrono::duration<double>(static_cast<double>(added_) / options_.rate));
    if (Steady::now() >= due) return true;
    if (!stream_.Flush(g_stop)) return false;
    while (!g_stop && Steady::now() < due) {
      std::this_thread::sleep_for(std::min<Steady::duration>(due - Steady::now(), kProgressEvery));
      Progress();
    }
    return !g_stop;
  }

  void Progress() {
    if (!terminal_.err_is_terminal || client_->json() || Steady::now() < next_progress_) return;
    next_progress_ = Steady::now() + kProgressEvery;
    terminal_.err << "\r\x1b[Kline " << lines_.number() << ", confirmed "
                  << stream_.tally().confirmed << std::flush;
    progress_shown_ = true;
  }

  double Seconds() const { return std::chrono::duration<double>(Steady::now() - start_).count(); }

  // The first line that was not confirmed, with which to go on after what went wrong.
  uint64_t NextFrom(const PublishTally& tally) const {
    if (tally.first_open_line != 0) return tally.first_open_line;
    return bad_line_ != 0 ? bad_line_ : next_;
  }

  // What went wrong, empty: nothing.
  std::string Fault(const grpc::Status& status, const PublishTally& tally) const {
    if (tally.refused > 0) {
      return absl::StrCat(name_, ":", tally.first_open_line,
                          ": the host refused it: ", tally.refusal);
    }
    if (!status.ok()) return absl::StrCat("the stream to the host broke: ", status.error_message());
    if (bad_line_ != 0) return absl::StrCat(name_, ":", bad_line_, ": ", bad_);
    if (!lines_.status().ok()) return absl::StrCat(name_, ": ", lines_.status().message());
    if (!stopped_) return "";
    return absl::StrCat("stopped; ", tally.confirmed,
                        tally.confirmed == 1 ? " event was" : " events were", " confirmed, line ",
                        NextFrom(tally), " is the first that was not");
  }

  int Tell(const grpc::Status& status, const PublishTally& tally) {
    if (progress_shown_) terminal_.err << "\r\x1b[K" << std::flush;
    const std::string fault = Fault(status, tally);
    const uint64_t next = fault.empty() ? 0 : NextFrom(tally);
    const int code = fault.empty()                              ? kOk
                     : status.error_code() == grpc::UNAVAILABLE ? kUnreachable
                                                                : kFailed;
    if (client_->json()) {
      Json json = {
          {"confirmed", tally.confirmed}, {"dropped", tally.dropped},
          {"refused", tally.refused},     {"unmatched", tally.unmatched},
          {"seconds", Seconds()},         {"next_line", next == 0 ? Json(nullptr) : Json(next)}};
      if (code != kOk) json["error"] = {{"code", code}, {"message", fault}};
      terminal_.out << ToLine(json) << std::endl;
      return code;
    }
    const double seconds = std::max(Seconds(), 1e-6);
    terminal_.out << absl::StrFormat("confirmed %d %s in %.1f s (%.0f/s)\n", tally.confirmed,
                                     tally.confirmed == 1 ? "event" : "events", seconds,
                                     static_cast<double>(tally.confirmed) / seconds)
                  << std::flush;
    if (tally.dropped > 0) {
      terminal_.out << absl::StrFormat("dropped %d by stages before the bus\n", tally.dropped)
                    << std::flush;
    }
    WarnOfUnmatched(tally, terminal_);
    if (code != kOk) TellFault(fault, next, tally);
    return code;
  }

  void TellFault(const std::string& fault, uint64_t next, const PublishTally& tally) {
    std::string text = fault;
    const bool blameless = stopped_ && tally.refused == 0 && bad_line_ == 0;
    absl::StrAppend(&text, "\n", blameless ? "" : "mend it if it is the line's fault, then ",
                    "go on with --from-line ", next);
    if (tally.confirmed_after_open > 0) {
      absl::StrAppend(&text, "; ", tally.confirmed_after_open, " behind it were confirmed already");
    }
    TellError(terminal_, false, kFailed, text);
  }

  const PublishOptions& options_;
  const Terminal& terminal_;
  Client* const client_;
  const std::string name_;
  const Steady::time_point start_ = Steady::now();
  LineReader lines_;
  PublishStream stream_;
  uint64_t added_ = 0;
  uint64_t next_;         // The line behind the last one that was added.
  bool stopped_ = false;  // By a signal, before the end of the input was seen.
  uint64_t bad_line_ = 0;
  std::string bad_;
  Steady::time_point next_progress_ = start_;
  bool progress_shown_ = false;
};

int PublishFeed(const PublishOptions& options, const Terminal& terminal) {
  File in, log;
  if (options.file == "-") {
    in.Borrow(terminal.in);
  } else if (!in.Open(options.file, O_RDONLY)) {
    return TellError(terminal, options.host.json, kUsage,
                     absl::StrCat("cannot read ", options.file, ": ", std::strerror(errno)));
  }
  if (!options.confirmed_log.empty() &&
      !log.Open(options.confirmed_log, O_WRONLY | O_CREAT | O_APPEND)) {
    return TellError(
        terminal, options.host.json, kUsage,
        absl::StrCat("cannot write ", options.confirmed_log, ": ", std::strerror(errno)));
  }
  Client client(options.host, terminal);
  if (!client.connected()) return client.exit_code();
  StopOnSignals();
  return Feed(options, terminal, &client, in.fd(), log.fd()).Run();
}

}  // namespace

int RunPublish(const PublishOptions& options, const Terminal& terminal) {
  const bool one = !options.type.empty() || !options.source.empty();
  const auto usage = [&](const char* message) {
    return TellError(terminal, options.host.json, kUsage, message);
  };
  if (one && !options.file.empty())
    return usage("--type and --source describe one event; a file brings its own");
  if (!one && options.file.empty()) {
    return usage(
        "nothing to publish; give --type and --source, or a file of CloudEvents JSON lines (- for "
        "standard input)");
  }
  if (!one && options.receipts > 0)
    return usage("--receipts is for one event, given by --type and --source");
  if (!one) return PublishFeed(options, terminal);
  if (options.type.empty()) return usage("--type is missing, as in --type story.post");
  if (options.source.empty()) return usage("--source is missing, as in --source storyboard");
  if (options.has_data && !options.data_file.empty())
    return usage("--data and --data-file exclude each other");
  return PublishOne(options, terminal);
}

}  // namespace outboard::app
