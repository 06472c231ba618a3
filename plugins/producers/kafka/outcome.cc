#include "plugins/producers/kafka/outcome.h"

namespace outboard::kafka {
namespace {

bool IsForGood(rd_kafka_resp_err_t error) {
  switch (error) {
    case RD_KAFKA_RESP_ERR_INVALID_MSG:
    case RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE:
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE: return true;
    default: return false;
  }
}

}  // namespace

Verdict FailureOf(rd_kafka_resp_err_t error, const std::string& message) {
  // librdkafka's own errors begin with an underscore.
  std::string name = rd_kafka_err2name(error);
  name.erase(0, name.find_first_not_of('_'));
  const std::string reason = "KAFKA_" + name;
  return IsForGood(error) ? Reject(reason, message) : Retry(reason, message);
}

}  // namespace outboard::kafka
