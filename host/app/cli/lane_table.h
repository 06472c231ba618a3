#pragma once

#include <google/protobuf/repeated_field.h>

#include "host/app/cli/table.h"
#include "outboard/host/v1/admin.pb.h"

namespace outboard::app {

// The lanes as `status` and `lane list` show them.
Table LaneTable(const google::protobuf::RepeatedPtrField<host::v1::LaneStatus>& lanes);

}  // namespace outboard::app
