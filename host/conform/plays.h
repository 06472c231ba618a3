#pragma once

#include "host/conform/rule.h"

// What each rule does with a plugin. rules.cc says which plays belong to which rule.
namespace outboard::conform {

// plays_describe.cc
Finding PlayDescribeAnswers(Stand& stand);
Finding PlayConfigAccepted(Stand& stand);
Finding PlayComponents(Stand& stand);
Finding PlayUnique(Stand& stand);
Finding PlaySchema(Stand& stand);
Finding PlayPure(Stand& stand);
Finding PlayConfigRefused(Stand& stand);
Finding PlayHealth(Stand& stand);
Finding PlayDescribeWhileBusy(Stand& stand);
Finding PlayLimits(Stand& stand);

// plays_session.cc
Finding PlayOpened(Stand& stand);
Finding PlayInstance(Stand& stand);
Finding PlayDrain(Stand& stand);
Finding PlayUnknownComponent(Stand& stand);
Finding PlayTwoSessions(Stand& stand);
Finding PlaySecondHost(Stand& stand);
Finding PlayLostHost(Stand& stand);
Finding PlayCancelled(Stand& stand);
Finding PlayProtocolError(Stand& stand);
Finding PlayEmptyFrame(Stand& stand);
Finding PlayWindow(Stand& stand);

// plays_delivery.cc
Finding PlayOrdinary(Stand& stand);
Finding PlayWatched(Stand& stand);
Finding PlayCalls(Stand& stand);
Finding PlayUnusual(Stand& stand);
Finding PlayUnknownFields(Stand& stand);
Finding PlayAgain(Stand& stand);
Finding PlayFullFrame(Stand& stand);
Finding PlayFullWindow(Stand& stand);
Finding PlayLarge(Stand& stand);
Finding PlayLargestFrame(Stand& stand);
Finding PlayCancelAnswered(Stand& stand);
Finding PlayCancelPending(Stand& stand);
Finding PlayShortTime(Stand& stand);
Finding PlayOrder(Stand& stand);

// plays_process.cc
Finding PlayStdin(Stand& stand);
Finding PlaySigterm(Stand& stand);
Finding PlayStopBusy(Stand& stand);

// plays_fast.cc
Finding PlayThroughput(Stand& stand);
Finding PlayBatches(Stand& stand);
Finding PlayBareIds(Stand& stand);

}  // namespace outboard::conform
