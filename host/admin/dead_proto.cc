#include "host/admin/dead_proto.h"

#include "host/admin/event_proto.h"
#include "host/admin/time_proto.h"
#include "host/admin/why.h"
#include "host/base/log.h"
#include "host/base/status.h"
#include "host/bus/dead_filter.h"
#include "host/route/filter.h"

namespace outboard::admin {
absl::StatusOr<bus::DeadFilter> ToFilter(const host::v1::DeadFilter& in) {
  bus::DeadFilter filter;
  filter.lane = in.lane();
  filter.reason = in.reason();
  filter.ids.assign(in.dead_ids().begin(), in.dead_ids().end());
  filter.route = in.route();
  filter.target = in.target();
  filter.version = in.plugin_version();
  filter.group = in.group();
  if (!in.event_type().empty()) {
    OUTBOARD_RETURN_IF_ERROR(route::ValidatePattern(in.event_type()));
    filter.type = in.event_type();
  }
  filter.attributes.assign(in.attributes().begin(), in.attributes().end());
  if (in.has_died_after()) filter.died_after = GetTime(in.died_after());
  if (in.has_died_before()) filter.died_before = GetTime(in.died_before());
  filter.up_to = in.up_to();
  filter.after = in.after();
  return filter;
}

void ToProto(const bus::DeadLetter& in, bool whole, host::v1::DeadLetter* out) {
  out->set_dead_id(in.id);
  out->set_lane(in.lane);
  out->set_event_id(std::string(in.event.id()));
  out->set_event_type(std::string(in.event.type()));
  out->set_event_source(std::string(in.event.source()));
  out->set_event_subject(in.event.attribute("subject").value_or(""));
  out->set_reason(in.why.reason);
  out->set_message(RedactSecrets(in.why.message));
  out->set_attempts(in.attempts);
  out->set_waiting(in.waiting);
  out->set_plugin_version(in.why.version);
  out->set_offset(in.offset);
  out->set_trace_id(TraceIdOf(in.event.attribute("traceparent").value_or("")));
  out->set_group(bus::GroupKey(in));
  SetTime(in.died_at, out->mutable_died_at());
  SetTime(in.accepted_at, out->mutable_accepted_at());
  out->set_is_edited(!in.edited.empty());
  if (!whole) return;
  out->set_detail(RedactSecrets(in.why.detail));
  out->set_raw(in.raw);
  if (!in.event.empty()) SetEvent(in.event, out->mutable_event());
  if (!in.edited.empty()) SetEvent(in.edited, out->mutable_edited());
  for (const bus::Attempt& attempt : in.history) {
    host::v1::DeadAttempt* one = out->add_history();
    SetTime(attempt.at, one->mutable_at());
    one->set_outcome(attempt.outcome);
    one->set_reason(attempt.reason);
    one->set_message(RedactSecrets(attempt.message));
    one->set_plugin_version(attempt.version);
  }
}

void ToProto(const bus::DeadGroup& in, host::v1::DeadGroup* out) {
  out->set_group(in.key);
  out->set_lane(in.lane);
  out->set_route(std::string(bus::RouteOf(in.lane)));
  out->set_target(std::string(bus::TargetOf(in.lane)));
  out->set_reason(in.reason);
  out->set_error(RedactSecrets(in.error));
  out->set_plugin_version(in.version);
  out->set_count(in.count);
  SetTime(in.first, out->mutable_first_died_at());
  SetTime(in.last, out->mutable_last_died_at());
  out->set_example_dead_id(in.example);
}

}  // namespace outboard::admin
