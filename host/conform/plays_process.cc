#include <grpcpp/support/status.h>

#include <csignal>

#include "absl/strings/str_cat.h"
#include "host/conform/plays.h"
#include "host/conform/stand.h"

namespace outboard::conform {
namespace {

const char kDialled[] = "it was dialled at an address: give its command to have it launched";

// A process of its own that has answered once: what follows ends it.
std::optional<Finding> Prepare(Stand& stand) {
  if (!stand.subject().launched()) return Skip(kDialled);
  stand.Refresh();
  if (const absl::Status status = stand.Ready(); !status.ok()) {
    return Fail("starts it", std::string(status.message()));
  }
  const auto answer =
      stand.connection().Describe(stand.subject().config_json, stand.subject().start_timeout);
  if (answer.ok()) return std::nullopt;
  return Fail("Describe", std::string(answer.status().ToString()));
}

Finding StillRuns(const Stand& stand, const std::string& sent) {
  return Fail(sent, absl::StrCat("the process still runs after ", Words(stand.patience())));
}

// One try. `lost`: answers are missing, but neither the process nor the stream shows whose fault it
// is.
Finding StopBusy(Stand& stand, bool& lost) {
  if (auto finding = Prepare(stand)) return *finding;
  Session& session = stand.NewStream();
  if (auto fault = stand.OpenIn(session)) return *fault;
  session.Deliver(stand.samples().Next(std::min<size_t>(64, stand.MostInFlight())));
  session.Close();
  stand.process()->CloseStdin();
  const bool ended = session.WaitEnded(stand.patience());
  if (ended && session.Unanswered().empty()) {
    if (stand.process()->WaitEnd(stand.patience())) return Pass();
    return StillRuns(stand, "close, half-close and the end of stdin");
  }
  if (ended && session.status_code() == grpc::StatusCode::UNAVAILABLE) {
    const auto end = stand.process()->WaitEnd(stand.patience());
    lost = end && !end->signaled && end->code == 0;
  }
  return Fail("deliveries, close, half-close and the end of stdin",
              absl::StrCat("unanswered: ", WordsOfIds(session.Unanswered()), "; the stream ",
                           ended ? "ended with " + session.status() : "goes on"));
}

}  // namespace

Finding PlayStdin(Stand& stand) {
  if (auto finding = Prepare(stand)) return *finding;
  stand.process()->CloseStdin();
  const auto end = stand.process()->WaitEnd(stand.patience());
  if (!end) return StillRuns(stand, "the end of stdin");
  if (!end->signaled && end->code == 0) return Pass();
  return Fail("the end of stdin", absl::StrCat("the process ", end->Describe(),
                                               "; its last words: ", end->stderr_tail));
}

Finding PlaySigterm(Stand& stand) {
  if (auto finding = Prepare(stand)) return *finding;
  stand.process()->Signal(SIGTERM);
  const auto end = stand.process()->WaitEnd(stand.patience());
  if (!end) return StillRuns(stand, "SIGTERM");
  if (!end->signaled || end->code == SIGTERM) return Pass(end->Describe());
  return Fail("SIGTERM", absl::StrCat("the process was ", end->Describe()));
}

Finding PlayStopBusy(Stand& stand) {
  // The last frames of a process that ends right after them may be lost with its connection: gRPC
  // gives up a connection whose own write failed (the acknowledgement of the plugin's last ping,
  // say), with what is still to be read from it. So a plugin is asked again where its end was in
  // order and the stream has no status of its own.
  constexpr int kTries = 3;
  for (int left = kTries - 1;; --left) {
    bool lost = false;
    Finding finding = StopBusy(stand, lost);
    if (!lost || left == 0) return finding;
  }
}

}  // namespace outboard::conform
