#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "host/event/event.h"

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

enum class EmitKind { kPlain, kNamed, kUndeclared, kBroken };
// Wire bytes of an emit, as a component writes it.
std::string EmitBytes(EmitKind kind, uint32_t number);

}  // namespace outboard::simulation
