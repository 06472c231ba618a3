#include "host/app/cli/dead_filter.h"

#include <array>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "host/base/status.h"
#include "host/base/text.h"

namespace outboard::app {
namespace {

// RFC 3339, or an age such as 15m.
absl::Status ReadTime(const std::string& flag, const std::string& text, absl::Time now,
                      google::protobuf::Timestamp* out) {
  absl::Time time;
  absl::Duration ago;
  std::string error;
  const bool days = !text.empty() && text.back() == 'd' &&
                    absl::ParseDuration(text.substr(0, text.size() - 1) + "h", &ago);
  if (days) ago *= 24;
  if (days || absl::ParseDuration(text, &ago)) {
    time = now - ago;
  } else if (!absl::ParseTime(absl::RFC3339_full, text, &time, &error)) {
    return absl::InvalidArgumentError(
        absl::StrCat(flag, ": \"", Truncate(text, 40),
                     "\" is no time: say how long ago, as 15m, 2h or 3d, or a time as "
                     "2026-01-31T12:00:00Z"));
  }
  const int64_t micros = absl::ToUnixMicros(time);
  out->set_seconds(micros / 1'000'000);
  out->set_nanos(static_cast<int32_t>(micros % 1'000'000) * 1000);
  return absl::OkStatus();
}

// All flags that narrow down.
std::array<const std::string*, 12> Narrowing(const DeadOptions& o) {
  return {&o.lane, &o.route,  &o.target,  &o.reason, &o.version, &o.group,
          &o.type, &o.source, &o.subject, &o.event,  &o.since,   &o.before};
}

}  // namespace

absl::StatusOr<host::v1::DeadFilter> MakeFilter(const DeadOptions& options, absl::Time now) {
  host::v1::DeadFilter filter;
  filter.set_lane(options.lane);
  filter.set_reason(options.reason);
  for (const uint64_t id : options.ids) filter.add_dead_ids(id);
  filter.set_route(options.route);
  filter.set_target(options.target);
  filter.set_plugin_version(options.version);
  filter.set_group(options.group);
  filter.set_event_type(options.type);
  auto& attributes = *filter.mutable_attributes();
  if (!options.source.empty()) attributes["source"] = options.source;
  if (!options.subject.empty()) attributes["subject"] = options.subject;
  if (!options.event.empty()) attributes["id"] = options.event;
  for (const std::string& attribute : options.attributes) {
    const std::pair<std::string, std::string> pair =
        absl::StrSplit(attribute, absl::MaxSplits('=', 1));
    if (pair.first.empty() || pair.first.size() == attribute.size()) {
      return absl::InvalidArgumentError(
          absl::StrCat("--attribute: \"", Truncate(attribute, 40), "\" is not NAME=VALUE"));
    }
    attributes[pair.first] = pair.second;
  }
  if (!options.since.empty()) {
    OUTBOARD_RETURN_IF_ERROR(ReadTime("--since", options.since, now, filter.mutable_died_after()));
  }
  if (!options.before.empty()) {
    OUTBOARD_RETURN_IF_ERROR(
        ReadTime("--before", options.before, now, filter.mutable_died_before()));
  }
  return filter;
}

bool MakeFilter(const DeadOptions& options, Client* client, host::v1::DeadFilter* filter) {
  absl::StatusOr<host::v1::DeadFilter> made = MakeFilter(options, absl::Now());
  if (!made.ok()) {
    client->Fail(kUsage, std::string(made.status().message()));
    return false;
  }
  *filter = *std::move(made);
  return true;
}

bool SaysWhich(const DeadOptions& options, Client* client) {
  bool some = !options.ids.empty() || !options.attributes.empty();
  for (const std::string* flag : Narrowing(options)) some = some || !flag->empty();
  if (some != options.all) return true;
  client->Fail(kUsage,
               some ? "--all contradicts ids and filters such as --lane; leave one out"
                    : "which dead letters? Give their ids, --group, --lane, --reason or another "
                      "filter, or --all");
  return false;
}

bool Narrows(const host::v1::DeadFilter& filter) { return filter.ByteSizeLong() > 0; }

std::string CountOfDead(uint64_t n) {
  return absl::StrCat(n, n == 1 ? " dead letter" : " dead letters");
}

}  // namespace outboard::app
