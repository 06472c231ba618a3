#include "absl/strings/str_cat.h"
#include "host/conform/plays.h"
#include "host/conform/stand.h"

namespace outboard::conform {
namespace {

constexpr size_t kFew = 8;

size_t Few(const Stand& stand, size_t shared_by = 1) {
  return std::max<size_t>(1, std::min(kFew, stand.MostInFlight() / shared_by));
}

// A new session takes and answers events: what came before has left no harm.
Finding StillWorks(Stand& stand, const std::string& after) {
  Session& session = stand.NewStream();
  auto fault = stand.OpenIn(session);
  if (!fault) fault = stand.Exchange(session, stand.samples().Next(Few(stand)));
  if (!fault) return Pass();
  fault->sent = absl::StrCat("after ", after, ": ", fault->sent);
  return *fault;
}

}  // namespace

Finding PlayOpened(Stand& stand) {
  Session& session = stand.NewStream();
  return stand.OpenIn(session).value_or(Pass());
}

Finding PlayInstance(Stand& stand) {
  const auto description =
      stand.connection().Describe(stand.subject().config_json, stand.patience());
  if (!description.ok()) return Skip("Describe: " + description.status().ToString());
  Session& session = stand.NewStream();
  if (auto fault = stand.OpenIn(session)) return *fault;
  std::string opened;
  session.Look([&](const Audit& audit) { opened = audit.instance_id(); });
  if (opened == description->instance_id()) return Pass(opened.empty() ? "none" : "");
  return Fail(session,
              absl::StrCat("opened with instance_id \"", opened, "\", while Describe says \"",
                           description->instance_id(), "\""));
}

Finding PlayDrain(Stand& stand) {
  Session& session = stand.NewStream();
  if (auto fault = stand.OpenIn(session)) return *fault;
  // Two that are waited for, and more whose answers come after Close.
  if (auto fault = stand.Exchange(session, stand.samples().Next(std::min<size_t>(2, Few(stand)))))
    return *fault;
  session.Deliver(stand.samples().Next(Few(stand)));
  if (auto fault = stand.Drain(session)) return *fault;
  Session& idle = stand.NewStream();
  if (auto fault = stand.OpenIn(idle)) return *fault;
  return stand.Drain(idle).value_or(Pass());
}

Finding PlayUnknownComponent(Stand& stand) {
  Session& session = stand.NewStreamTo("outboard-conform-no-such-component");
  session.Open(stand.subject().config_json);
  if (!session.WaitEnded(stand.patience())) {
    return Fail(session, absl::StrCat("the stream goes on; last came: ", session.LastCame()));
  }
  if (session.status_code() == 0) return Fail(session, "the stream ended with OK");
  if (session.status_message().empty()) {
    return Fail(session,
                absl::StrCat("the stream ended with ", session.status(), " and no message"));
  }
  // UNKNOWN and INTERNAL are what exceptions become, UNAVAILABLE a lost connection.
  const int code = session.status_code();
  if (code == 2 || code == 13 || code == 14) {
    return Fail(session, "the stream ended with " + session.status());
  }
  return Pass(session.status());
}

Finding PlayTwoSessions(Stand& stand) {
  Session& first = stand.NewStream();
  if (auto fault = stand.OpenIn(first)) return *fault;
  Session& second = stand.NewStream();
  if (auto fault = stand.OpenIn(second)) return *fault;
  const size_t few = Few(stand, 2);
  const auto ids = first.Deliver(stand.samples().Next(few));
  const auto more = second.Deliver(stand.samples().Next(few));
  if (auto fault = stand.WaitAnswered(first, ids)) return *fault;
  if (auto fault = stand.WaitAnswered(second, more)) return *fault;
  if (auto fault = stand.Drain(first)) return *fault;
  // The end of one is not the end of the other.
  return stand.Exchange(second, stand.samples().Next(few)).value_or(Pass());
}

Finding PlaySecondHost(Stand& stand) {
  Session& first = stand.NewStream();
  if (auto fault = stand.OpenIn(first)) return *fault;
  const auto ids = first.Deliver(stand.samples().Next(Few(stand)));
  {
    Connection other(stand.address());
    const auto described = other.Describe(stand.subject().config_json, stand.patience());
    if (!described.ok()) {
      return Fail("Describe from a second host", std::string(described.status().ToString()));
    }
    Session& second = stand.NewStream(&other);
    if (auto fault = stand.OpenIn(second)) return *fault;
    if (auto fault = stand.Exchange(second, stand.samples().Next(Few(stand)))) return *fault;
    second.Cancel();
    second.WaitEnded(stand.patience());
  }
  if (auto fault = stand.WaitAnswered(first, ids)) return *fault;
  return stand.Exchange(first, stand.samples().Next(Few(stand))).value_or(Pass());
}

Finding PlayLostHost(Stand& stand) {
  Session& session = stand.NewStream();
  if (auto fault = stand.OpenIn(session)) return *fault;
  session.Deliver(stand.samples().Next(Few(stand)));
  session.HalfClose();
  if (!session.WaitEnded(stand.patience())) {
    return Fail(session, absl::StrCat("the stream goes on ", Words(stand.patience()),
                                      " after the half-close"));
  }
  return StillWorks(stand, "a half-close without close");
}

Finding PlayCancelled(Stand& stand) {
  Session& session = stand.NewStream();
  if (auto fault = stand.OpenIn(session)) return *fault;
  session.Deliver(stand.samples().Next(Few(stand)));
  session.Cancel();
  session.WaitEnded(stand.patience());
  return StillWorks(stand, "a stream that the host cancelled");
}

Finding PlayProtocolError(Stand& stand) {
  Session& session = stand.NewStream();
  if (auto fault = stand.OpenIn(session)) return *fault;
  session.Deliver(stand.samples().Next(Few(stand)));
  session.Close(v1::Close::CAUSE_PROTOCOL_ERROR);
  if (!session.WaitEnded(stand.patience())) {
    return Fail(session, absl::StrCat("the stream goes on ", Words(stand.patience()),
                                      " after close and half-close"));
  }
  return StillWorks(stand, "close{PROTOCOL_ERROR}");
}

Finding PlayEmptyFrame(Stand& stand) {
  Session& session = stand.NewStream();
  if (auto fault = stand.OpenIn(session)) return *fault;
  session.Send(HostFrame());
  if (auto fault = stand.Exchange(session, stand.samples().Next(Few(stand)), 1)) return *fault;
  session.Send(HostFrame());
  if (auto fault = stand.Exchange(session, stand.samples().Next(1))) return *fault;
  return stand.Drain(session).value_or(Pass());
}

Finding PlayWindow(Stand& stand) {
  Session& session = stand.NewStream();
  if (auto fault = stand.OpenIn(session)) return *fault;
  for (int i = 0; i < 4; ++i) {
    if (!session.WaitWindowOpen(stand.patience())) {
      return Fail(session, absl::StrCat("a window of 0 for ", Words(stand.patience()),
                                        " with events waiting; last came: ", session.LastCame()));
    }
    if (auto fault = stand.Exchange(session, stand.samples().Next(Few(stand)))) return *fault;
  }
  if (session.WaitWindowOpen(stand.patience())) return Pass();
  return Fail(session, absl::StrCat("a window of 0 for ", Words(stand.patience()),
                                    " with nothing in hand; last came: ", session.LastCame()));
}

}  // namespace outboard::conform
