#include "host/app/cli/receipt_text.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "host/base/text.h"

namespace outboard::app {

std::string OffsetText(const plugin::v1::Offset& offset) {
  switch (offset.value_case()) {
    case plugin::v1::Offset::kIntValue: return absl::StrCat(offset.int_value());
    case plugin::v1::Offset::kDoubleValue: return absl::StrCat(offset.double_value());
    case plugin::v1::Offset::kStringValue: return EscapeForPeople(offset.string_value());
    case plugin::v1::Offset::kBytesValue:
      return absl::StrCat("0x", absl::BytesToHexString(offset.bytes_value()));
    case plugin::v1::Offset::VALUE_NOT_SET: break;
  }
  return "-";
}

std::string ReceiptText(const host::v1::Receipt& receipt) {
  const std::string lane = EscapeForPeople(receipt.lane());
  switch (receipt.end()) {
    case host::v1::Receipt::END_DONE:
      return absl::StrCat(lane, ": done",
                          receipt.has_offset() ? " at " + OffsetText(receipt.offset()) : "");
    case host::v1::Receipt::END_DROPPED:
      return absl::StrCat(
          lane, ": dropped",
          receipt.reason().empty() ? "" : absl::StrCat(" by ", EscapeForPeople(receipt.reason())));
    case host::v1::Receipt::END_DEAD:
      return absl::StrCat(lane, ": dead, ", EscapeForPeople(receipt.reason()));
    default: return absl::StrCat(lane, ": ended");
  }
}

}  // namespace outboard::app
