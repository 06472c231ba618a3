#pragma once

#include <array>
#include <cstdint>
#include <cstdio>
#include <string>

namespace outboard::simulation {

// What a run must have seen, each with its name in the table.
#define OUTBOARD_SIMULATION_COVER(X)                                         \
  X(kDeliveries, "input: deliveries arrived")                                \
  X(kAnswers, "input: answers arrived")                                      \
  X(kSessionUp, "input: session up")                                         \
  X(kQuarantineUp, "input: quarantine session up")                           \
  X(kSessionDraining, "input: session draining")                             \
  X(kDownDrained, "input: session down, drained")                            \
  X(kDownCrashed, "input: session down, crashed")                            \
  X(kDownProtocol, "input: session down, protocol error")                    \
  X(kDownStream, "input: session down, stream failed")                       \
  X(kInstanceFailed, "input: instance failed")                               \
  X(kSettles, "input: settles arrived")                                      \
  X(kTimer, "input: timer fired")                                            \
  X(kStartDrain, "input: drain started")                                     \
  X(kUncleanEnd, "input: unclean end of the host")                           \
  X(kAnswerDone, "answer: DONE in full")                                     \
  X(kAnswerDoneId, "answer: DONE as a bare id")                              \
  X(kAnswerRetry, "answer: RETRY")                                           \
  X(kAnswerRetryAfter, "answer: RETRY with a delay")                         \
  X(kAnswerReject, "answer: REJECT")                                         \
  X(kAnswerRelease, "answer: RELEASE")                                       \
  X(kAnswerEmits, "answer: DONE with emits")                                 \
  X(kAnswerProgress, "answer: progress")                                     \
  X(kAnswerWindow, "answer: window")                                         \
  X(kAnswerDuplicate, "answer: a second time")                               \
  X(kAnswerLate, "answer: late, after a retry")                              \
  X(kAnswerIgnored, "answer: after a protocol error")                        \
  X(kFrame, "effect: frame")                                                 \
  X(kFrameFull, "effect: frame of the greatest size")                        \
  X(kFrameLinger, "effect: third frame after the linger")                    \
  X(kCancel, "effect: cancel")                                               \
  X(kEndDone, "effect: settle done")                                         \
  X(kEndRetry, "effect: settle retry")                                       \
  X(kEndReturned, "effect: settle returned")                                 \
  X(kEndDead, "effect: settle dead")                                         \
  X(kDeadRejected, "dead: rejected")                                         \
  X(kDeadAttempts, "dead: attempts exhausted")                               \
  X(kDeadCrashed, "dead: convicted")                                         \
  X(kDeadEmits, "dead: emits refused by the host")                           \
  X(kDeadEmitsBus, "dead: emits refused by the bus")                         \
  X(kDeadTooLarge, "dead: too large")                                        \
  X(kDeadHeld, "dead: too many held")                                        \
  X(kCloseDrain, "effect: close session, drain")                             \
  X(kCloseProtocol, "effect: close session, protocol error")                 \
  X(kCredit, "effect: credit")                                               \
  X(kReplaceAtOnce, "effect: replace instance at once")                      \
  X(kReplaceDrain, "effect: replace instance after a drain")                 \
  X(kWantsQuarantine, "effect: quarantine wanted")                           \
  X(kDrained, "effect: drained")                                             \
  X(kNoticeSuspected, "notice: suspected")                                   \
  X(kNoticeCleared, "notice: cleared")                                       \
  X(kNoticeSetAside, "notice: set aside")                                    \
  X(kNoticeConvicted, "notice: convicted")                                   \
  X(kNoticeCircuitOpened, "notice: circuit opened")                          \
  X(kNoticeCircuitTrial, "notice: circuit trial")                            \
  X(kNoticeCircuitClosed, "notice: circuit closed")                          \
  X(kNoticeProbeStarted, "notice: probe started")                            \
  X(kNoticeProbeEnded, "notice: probe ended")                                \
  X(kNoticeDeadLettered, "notice: dead-lettered")                            \
  X(kNoticeProtocolError, "notice: protocol error")                          \
  X(kNoticeStuck, "notice: stuck")                                           \
  X(kNoticeSettleFailed, "notice: settle failed")                            \
  X(kCrashInDrain, "pair: crash during a drain")                             \
  X(kDrainDeadline, "pair: deadline of a drain with deliveries in flight")   \
  X(kDrainWithSuspects, "pair: drain with suspects")                         \
  X(kDrainWithAside, "pair: drain with an event set aside")                  \
  X(kDrainWithConviction, "pair: drain while a conviction is being settled") \
  X(kDrainWhileOpen, "pair: drain with the circuit not closed")              \
  X(kDrainRetry, "pair: RETRY during a drain")                               \
  X(kDrainSettleFails, "pair: failed settle during a drain")                 \
  X(kSettleFailsDead, "pair: failed settle of a dead letter")                \
  X(kSettleFailsReturned, "pair: failed settle of a returned delivery")      \
  X(kSettleFailsRetry, "pair: failed settle of a retry")                     \
  X(kReleaseCounted, "pair: release storm, one counted as RETRY")            \
  X(kReleaseFree, "pair: release after a failure of its key")                \
  X(kWindowZero, "pair: window 0 with ready events")                         \
  X(kTrialEvent, "pair: circuit trial by an event that is no suspect")       \
  X(kTrialSuspect, "pair: circuit trial only with suspects")                 \
  X(kTrialCrash, "pair: crash in a circuit trial")                           \
  X(kOpenByBudget, "pair: circuit opened by the crash budget")               \
  X(kOpenByAside, "pair: circuit opened by a second event set aside")        \
  X(kReprieveCleared, "pair: reprieved event answered")                      \
  X(kReprieveConvicted, "pair: reprieved event convicted")                   \
  X(kProtocolWithSuspects, "pair: protocol error while there are suspects")  \
  X(kLieMakesSuspects, "pair: protocol error with deliveries unanswered")    \
  X(kLossWithExpired, "pair: session loss with expired deliveries")          \
  X(kDrainedUnanswered, "pair: session drained with deliveries unanswered")  \
  X(kQuarantineDrained, "pair: quarantine session drained with its suspect") \
  X(kSuspectDeadline, "pair: deadline of a suspect in quarantine")           \
  X(kKeyedLate, "pair: deadline on an ordered key, then a late answer")      \
  X(kUncleanWithRetries, "pair: unclean end with retries pending")           \
  X(kUncleanWithSuspects, "pair: unclean end with suspects")                 \
  X(kUncleanWhileOpen, "pair: unclean end with the circuit open")            \
  X(kUncleanSettling, "pair: unclean end with settles under way")            \
  X(kFrameToDead, "pair: frame to a process that is dead already")           \
  X(kProbeRetry, "pair: RETRY while probing")                                \
  X(kProbeCharged, "pair: RETRY charged beyond the probe limit")             \
  X(kProbeWithSuspects, "pair: probing while there are suspects")            \
  X(kBigAlone, "pair: one delivery above the bytes of its session")          \
  X(kLaneBytes, "pair: lane at its bound of bytes")                          \
  X(kLaneHeld, "pair: lane at its bound of held events")                     \
  X(kRunOfKey, "pair: run of a key in flight")                               \
  X(kProgressRenewed, "pair: deadline renewed by progress")                  \
  X(kNewVersion, "pair: new version with an event set aside")                \
  X(kRemoteTrial, "pair: suspect tried on a remote session")                 \
  X(kKillerConvicted, "pair: killer convicted")                              \
  X(kAnswerToEnded, "pair: answer after the end of a drain's delivery")

enum class Cover : uint8_t {
#define OUTBOARD_X(name, text) name,
  OUTBOARD_SIMULATION_COVER(OUTBOARD_X)
#undef OUTBOARD_X
      kCount,
};

// How often each was seen. One thread; threads' tables are added up at the end.
class Coverage {
 public:
  void Saw(Cover what, uint64_t times = 1) { counts_[static_cast<size_t>(what)] += times; }
  void Add(const Coverage& other);
  // Prints the table; returns how many were never seen.
  int Print(std::FILE* out) const;

 private:
  std::array<uint64_t, static_cast<size_t>(Cover::kCount)> counts_{};
};

}  // namespace outboard::simulation
