#pragma once

#include "host/bus/settlement.h"
#include "outboard/host/v1/publisher.pb.h"

namespace outboard::admin {

// As a producer gave it; nothing is set where there is none.
void SetOffset(const bus::Offset& offset, plugin::v1::Offset* out);

void SetReceipt(const bus::Receipt& receipt, host::v1::Receipt* out);

}  // namespace outboard::admin
