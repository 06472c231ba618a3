#include "host/admin/receipt_proto.h"

#include "host/admin/time_proto.h"

namespace outboard::admin {
namespace {

host::v1::Receipt::End EndOf(bus::End end) {
  switch (end) {
    case bus::End::kDone: return host::v1::Receipt::END_DONE;
    case bus::End::kDropped: return host::v1::Receipt::END_DROPPED;
    case bus::End::kDead: return host::v1::Receipt::END_DEAD;
    case bus::End::kRetry:
    case bus::End::kReturned: break;
  }
  return host::v1::Receipt::END_UNSPECIFIED;
}

}  // namespace

void SetOffset(const bus::Offset& offset, plugin::v1::Offset* out) {
  if (const auto* number = std::get_if<int64_t>(&offset)) {
    out->set_int_value(*number);
  } else if (const auto* real = std::get_if<double>(&offset)) {
    out->set_double_value(*real);
  } else if (const auto* text = std::get_if<std::string>(&offset)) {
    out->set_string_value(*text);
  } else if (const auto* bytes = std::get_if<bus::Bytes>(&offset)) {
    out->set_bytes_value(bytes->value);
  }
}

void SetReceipt(const bus::Receipt& receipt, host::v1::Receipt* out) {
  out->set_lane(receipt.lane);
  out->set_end(EndOf(receipt.end));
  if (receipt.placed.offset.index() != 0) SetOffset(receipt.placed.offset, out->mutable_offset());
  if (receipt.placed.at) SetTime(*receipt.placed.at, out->mutable_accepted_at());
  out->set_reason(receipt.reason);
}

}  // namespace outboard::admin
