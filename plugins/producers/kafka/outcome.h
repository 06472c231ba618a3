#pragma once

#include <librdkafka/rdkafka.h>

#include <string>

#include "outboard/verdict.h"

namespace outboard::kafka {

// What an error of librdkafka or of a broker means for the event: a message that no broker will
// ever take is REJECT, all else RETRY. The reason is KAFKA_ and the error's name.
Verdict FailureOf(rd_kafka_resp_err_t error, const std::string& message);

}  // namespace outboard::kafka
