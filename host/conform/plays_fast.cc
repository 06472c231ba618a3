#include <algorithm>
#include <chrono>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "host/conform/echo.h"
#include "host/conform/plays.h"
#include "host/conform/stand.h"

namespace outboard::conform {
namespace {

constexpr size_t kFrame = 256;
constexpr size_t kFrames = 60;
constexpr size_t kFramesInFlight = 4;
constexpr int kRounds = 3;
constexpr auto kMostTime = std::chrono::seconds(2);  // A slow plugin need not see them all.
// A worker of plain Python functions manages about a fifth of an echo in C++, one that works in a
// frame at a time and syncs a file a tenth; one frame an event a hundredth.
constexpr double kLeastShare = 0.02;

// Answers a second of frames of 256; negative: not all were answered.
double Rate(Stand& stand, Session& session) {
  const size_t most = std::min(kFrame * kFramesInFlight, stand.MostInFlight());
  std::vector<std::vector<v1::Delivery>> frames;
  for (size_t i = 0; i < kFrames; ++i) {
    frames.push_back(stand.samples().Next(std::min(kFrame, most)));
  }
  const auto begin = std::chrono::steady_clock::now();
  size_t sent = 0;
  for (std::vector<v1::Delivery>& frame : frames) {
    if (std::chrono::steady_clock::now() - begin > kMostTime) break;
    sent += frame.size();
    if (!session.WaitRoom(most - frame.size(), stand.patience())) return -1;
    session.Deliver(std::move(frame));
  }
  if (!session.WaitRoom(0, stand.patience())) return -1;
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  return static_cast<double>(sent) / took.count();
}

Session& OpenEcho(Stand& stand, Connection* echo) {
  Session& session = stand.NewEcho(echo);
  session.Open("{}");
  session.WaitOpened(stand.patience());
  return session;
}

}  // namespace

Finding PlayThroughput(Stand& stand) {
  const auto echo = Echo::Start();
  if (!echo.ok()) return Skip(std::string(echo.status().message()));
  Connection to_echo((*echo)->address());
  Session& plain = OpenEcho(stand, &to_echo);
  Session& session = stand.NewStream();
  if (auto fault = stand.OpenIn(session)) return *fault;
  double share = 0, best = 0, best_echo = 0;
  // In turn, so that both see the same machine; the best of a few, as others may use it too.
  for (int round = 0; round < kRounds; ++round) {
    const double of_echo = Rate(stand, plain);
    const double rate = Rate(stand, session);
    if (rate < 0 || of_echo <= 0) {
      return Fail(session, "not all answered; last came: " + session.LastCame());
    }
    best = std::max(best, rate);
    best_echo = std::max(best_echo, of_echo);
    share = std::max(share, rate / of_echo);
  }
  plain.Close();
  plain.WaitEnded(stand.patience());
  const std::string figures =
      absl::StrFormat("%.0f events a second, %.0f %% of what a bare echo did meanwhile (%.0f)",
                      best, 100 * share, best_echo);
  if (share >= kLeastShare) return Pass(figures);
  return Fail(absl::StrCat("frames of ", kFrame, " deliveries, ", kFramesInFlight, " in flight"),
              figures);
}

namespace {

// What the answers to some full frames were like.
struct Manner {
  size_t answers = 0, frames = 0, bare = 0, plain_verdicts = 0;
};

std::optional<Finding> Watch(Stand& stand, Manner* manner, std::string* sent) {
  Session& session = stand.NewStream();
  if (auto fault = stand.OpenIn(session)) return fault;
  if (auto fault = stand.Exchange(session, stand.samples().Next(4 * kFrame))) return fault;
  *sent = session.LastSent();
  session.Look([&](const Audit& audit) {
    *manner = {audit.sent(), audit.frames(), audit.bare_answers(), audit.plain_verdicts()};
  });
  return std::nullopt;
}

}  // namespace

Finding PlayBatches(Stand& stand) {
  if (stand.MostInFlight() < kFrame) return Skip("max_in_flight is below 256");
  Manner manner;
  std::string sent;
  if (auto fault = Watch(stand, &manner, &sent)) return *fault;
  const std::string figures =
      absl::StrCat(manner.answers, " answers in ", manner.frames, " frames");
  return manner.frames * 4 <= manner.answers ? Pass(figures) : Fail(sent, figures);
}

Finding PlayBareIds(Stand& stand) {
  Manner manner;
  std::string sent;
  if (auto fault = Watch(stand, &manner, &sent)) return *fault;
  const std::string figures = absl::StrCat(manner.bare, " answers as bare ids, ",
                                           manner.plain_verdicts, " as verdicts that say no more");
  return manner.plain_verdicts <= manner.bare / 10 ? Pass(figures) : Fail(sent, figures);
}

}  // namespace outboard::conform
