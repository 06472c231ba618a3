#pragma once

#include <google/protobuf/repeated_field.h>

#include "host/app/cli/table.h"
#include "outboard/host/v1/admin.pb.h"

namespace outboard::app {

// The lanes as `status` and `lane list` show them.
Table LaneTable(const google::protobuf::RepeatedPtrField<host::v1::LaneStatus>& lanes);

// One line for each pipeline and each of its stages.
Table PipelineTable(const google::protobuf::RepeatedPtrField<host::v1::PipelineStatus>& pipelines);
// The same of what events go through before the bus.
Table IngressTable(const google::protobuf::RepeatedPtrField<host::v1::PipelineStatus>& entries);

}  // namespace outboard::app
