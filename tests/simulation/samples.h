#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "host/event/event.h"
#include "host/lane/io.h"

namespace outboard::simulation {

inline constexpr int kNoKey = -1;
inline constexpr char kOrderBy[] = "subject";
inline constexpr char kDeclaredEmit[] = "note.made";

// The event number `index` ("e<index>") with the key ("k<key>" as its subject) and so many bytes of
// data. Events are made once per thread and shared.
Event SampleEvent(uint32_t index, int key, uint32_t data_bytes);
// The number of a sample by its id; -1 if it is none.
int64_t SampleIndex(absl::string_view event_id);
std::string SampleKey(int key);

// A call with number `number` of an operation, as it is at first; what a stage makes of it, which
// may be a `forged` one; and the answer of a stage that has it.
std::shared_ptr<const lane::Call> SampleCall(uint64_t number, const std::string& operation);
std::shared_ptr<const lane::Call> ChangedCall(const lane::Call& call, bool forged);
std::string AnswerTo(const lane::Call& call);

enum class EmitKind { kPlain, kNamed, kUndeclared, kBroken };
// Wire bytes of an emit, as a component writes it.
std::string EmitBytes(EmitKind kind, uint32_t number);

}  // namespace outboard::simulation
