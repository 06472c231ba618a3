#include <algorithm>
#include <chrono>
#include <csignal>
#include <ostream>
#include <thread>

#include "absl/strings/str_cat.h"
#include "host/app/cli/dead_filter.h"

namespace outboard::app {
namespace {

using Steady = std::chrono::steady_clock;

// Of one call: not so few that the host looks through its letters all the time, and not so many
// that Ctrl-C waits for long.
constexpr uint32_t kMostAtOnce = 5000;
constexpr double kCallsASecond = 5;  // With a rate.
constexpr auto kStep = std::chrono::milliseconds(50);
constexpr auto kPatience = std::chrono::minutes(5);

// The first Ctrl-C waits for what is under way, the second ends the program.
volatile std::sig_atomic_t g_stop = 0;
void Stop(int) { g_stop = 1; }

void StopOnSignals() {
  g_stop = 0;
  struct sigaction action {};
  action.sa_handler = Stop;
  action.sa_flags = SA_RESETHAND;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

// Gives the letters that there were when it began back, the oldest first, some at a time.
class Replay {
 public:
  Replay(const DeadOptions& options, Client* client) : options_(options), client_(*client) {}

  int Run(host::v1::DeadFilter filter) {
    request_.mutable_filter()->Swap(&filter);
    // Ids are few, and the host refuses them all where one is not there.
    if (!options_.ids.empty() && !options_.dry_run && options_.rate == 0) {
      if (!Call(0)) return client_.exit_code();
      return Tell();
    }
    if (!Count()) return client_.exit_code();
    if (options_.dry_run || total_.last_dead_id() == 0) return Tell();
    request_.mutable_filter()->set_up_to(total_.last_dead_id());
    StopOnSignals();
    return GoOn() ? Tell() : client_.exit_code();
  }

 private:
  bool Count() {
    host::v1::ReplayDeadRequest count = request_;
    count.set_dry_run(true);
    return client_.Call(&host::v1::AdminService::Stub::ReplayDead, count, &total_, kPatience);
  }

  bool Call(uint32_t limit) {
    request_.set_limit(limit);
    host::v1::ReplayDeadResponse response;
    if (!client_.Call(&host::v1::AdminService::Stub::ReplayDead, request_, &response, kPatience))
      return false;
    replayed_ += response.replayed();
    stayed_ += response.stayed();
    last_ = response.last_dead_id();
    seen_ = response.replayed() + response.stayed();
    return true;
  }

  bool GoOn() {
    const Steady::time_point begin = Steady::now();
    const double rate = options_.rate;
    const auto least = static_cast<uint32_t>(std::max(1.0, rate / kCallsASecond));
    const uint32_t limit = rate > 0 ? std::min(least, kMostAtOnce) : kMostAtOnce;
    for (;;) {
      if (!Call(limit)) {
        TellHowFar("failed");
        return false;
      }
      if (seen_ < limit || last_ >= total_.last_dead_id()) return true;
      request_.mutable_filter()->set_after(last_);
      if (rate > 0) {
        const std::chrono::duration<double> due(static_cast<double>(replayed_ + stayed_) / rate);
        while (g_stop == 0 && Steady::now() - begin < due) std::this_thread::sleep_for(kStep);
      }
      if (g_stop != 0) {
        interrupted_ = true;
        return true;
      }
    }
  }

  std::string HowFar() const {
    return absl::StrCat(replayed_, " of ", CountOfDead(total_.replayed()),
                        " are given back, the others are as they were: the same command goes on");
  }
  void TellHowFar(const char* what) const {
    client_.terminal().err << "outboard: " << what << ": " << HowFar() << std::endl;
  }

  int Tell() {
    const Terminal& terminal = client_.terminal();
    const bool dry = options_.dry_run;
    const uint64_t replayed = dry ? total_.replayed() : replayed_;
    const uint64_t stayed = dry ? total_.stayed() : stayed_;
    if (interrupted_) return client_.Fail(kFailed, "interrupted: " + HowFar());
    if (client_.json()) {
      Json answer = {{"replayed", replayed}, {"stayed", stayed}};
      if (dry) answer["dry_run"] = true;
      terminal.out << ToLine(answer) << std::endl;
      return kOk;
    }
    if (replayed == 0 && stayed == 0) {
      terminal.out << "nothing to give back: there are no " << (options_.all ? "" : "such ")
                   << "dead letters" << std::endl;
      return kOk;
    }
    terminal.out << (dry ? "a dry run: would give " : "gave ") << CountOfDead(replayed)
                 << " back to their lanes" << std::endl;
    if (stayed > 0) {
      terminal.err << "outboard: warning: " << CountOfDead(stayed)
                   << (dry ? " would stay" : " stayed")
                   << ": no route makes their lanes any more; configure one again, or delete them "
                      "with outboard dead purge"
                   << std::endl;
    }
    return kOk;
  }

  const DeadOptions& options_;
  Client& client_;
  host::v1::ReplayDeadRequest request_;
  host::v1::ReplayDeadResponse total_;  // Of the dry run.
  uint64_t replayed_ = 0;
  uint64_t stayed_ = 0;
  uint64_t last_ = 0;  // Of the last call.
  uint64_t seen_ = 0;  // The same.
  bool interrupted_ = false;
};

}  // namespace

int RunDeadReplay(const DeadOptions& options, const Terminal& terminal) {
  Client client(options.host, terminal);
  host::v1::DeadFilter filter;
  if (!client.connected() || !SaysWhich(options, &client) || !MakeFilter(options, &client, &filter))
    return client.exit_code();
  return Replay(options, &client).Run(std::move(filter));
}

}  // namespace outboard::app
