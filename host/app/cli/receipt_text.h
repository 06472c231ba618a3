#pragma once

#include <string>

#include "outboard/host/v1/publisher.pb.h"

namespace outboard::app {

// An offset for people: 42, 2.5, topic/3@17, 0x00ff; "-" where there is none.
std::string OffsetText(const plugin::v1::Offset& offset);
// "all/index: done at 42", "all/mail: dropped by guard", "all/search: dead, NO_SUCH_STORY".
std::string ReceiptText(const host::v1::Receipt& receipt);

}  // namespace outboard::app
