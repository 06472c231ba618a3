#pragma once

namespace outboard::plugin {

// Keeps gRPC's library and its callback threads up until the process ends; any thread, any number
// of times. Called before the first channel or server. Without it the last of them to go takes both
// down with it, on the thread that lets go of it:
// - the library waits up to 10 s for objects that its own threads still hold, so that a host whose
//   admin server goes last would stop that much later;
// - the end of the callback threads aborts the process when it comes on one of them, as it does at
//   the end of a call.
void KeepGrpcUp();

// Lets what gRPC's library says of errors into the host's log, at most a line a second. Before it
// is used; any number of times.
void TakeGrpcLog();

}  // namespace outboard::plugin
