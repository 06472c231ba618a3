#include <openssl/sha.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "host/event/wire.h"
#include "host/event/wire_reader.h"
#include "host/event/wire_writer.h"

namespace outboard {
namespace {

namespace tag = event_wire::tag;
using event_wire::Field;
using event_wire::Reader;

constexpr absl::string_view kHopsName = "outboardhops";

// Hops of the parent; 0 where it says nothing sensible, so that nobody buys hops with a negative
// count.
int HopsOf(const Event& parent) {
  int hops = 0;
  const std::optional<std::string> text = parent.attribute(kHopsName);
  if (!text || !absl::SimpleAtoi(*text, &hops)) return 0;
  return std::clamp(hops, 0, kMaxHops);
}

// 32 hexadecimal digits. Each part goes in with its length, so no two different triples give the
// same text.
std::string DeriveId(const Event& parent, absl::string_view component, uint32_t index) {
  const std::string text =
      absl::StrCat(parent.source().size(), ":", parent.source(), parent.id().size(), ":",
                   parent.id(), component.size(), ":", component, index);
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest);
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(digest), sizeof(digest) / 2));
}

// An emit without what the host sets.
struct Stripped {
  std::string bytes;
  bool has_id = false;
  bool has_source = false;
  // The fields are whole; else what is appended would become part of the last one.
  bool well_formed = true;
};

Stripped Strip(absl::string_view bytes) {
  Stripped out;
  out.bytes.reserve(bytes.size() + 128);
  Reader reader(bytes);
  for (Field field; !reader.done();) {
    const char* begin = reader.pos();
    if (!reader.Next(&field)) {
      out.well_formed = false;
      return out;
    }
    if (field.tag == tag::kId || field.tag == tag::kSource) {
      if (field.payload.empty()) continue;
      (field.tag == tag::kId ? out.has_id : out.has_source) = true;
    }
    if (field.tag == tag::kAttribute && event_wire::ReadEntry(field.payload).name == kHopsName) {
      continue;
    }
    out.bytes.append(begin, reader.pos() - begin);
  }
  return out;
}

}  // namespace

absl::StatusOr<Event> MakeEmit(const Event& parent, absl::string_view component, uint32_t index,
                               std::string bytes, const EventLimits& limits) {
  const int hops = HopsOf(parent) + 1;
  if (hops > kMaxHops) {
    return absl::FailedPreconditionError(
        absl::StrCat("outboardhops: the emit would be ", hops,
                     " hops from the event that was published, more than ", kMaxHops,
                     "; components feed each other in a circle: break it"));
  }
  Stripped emit = Strip(bytes);
  if (!emit.well_formed) return CheckEvent(std::move(bytes), limits);  // Says what is wrong.
  if (!emit.has_id) {
    event_wire::AppendField(tag::kId, DeriveId(parent, component, index), &emit.bytes);
  }
  if (!emit.has_source) event_wire::AppendField(tag::kSource, component, &emit.bytes);
  std::string value;
  event_wire::AppendVarintField(tag::kInteger, event_wire::Int32Varint(hops), &value);
  event_wire::AppendAttribute(kHopsName, value, &emit.bytes);
  return CheckEvent(std::move(emit.bytes), limits);
}

}  // namespace outboard
