#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "host/config/scalar.h"
#include "host/config/section.h"
#include "host/config/sections.h"
#include "host/config/units.h"
#include "host/route/filter.h"

namespace outboard::config {
namespace {

constexpr uint32_t kOrderedAttempts = 8;

void ReadEvents(const Value& value, std::vector<std::string>* out) {
  const std::vector<Value> items = ReadItems(value);
  if (items.empty()) value.Problem("is an empty list", "remove it to take all types, or name some");
  for (const Value& item : items) {
    std::string pattern;
    if (!Clean(item, [&] { ReadText(item, Secrecy::kOpen, &pattern); })) continue;
    const absl::Status valid = route::ValidatePattern(pattern);
    if (!valid.ok()) {
      item.Problem(std::string(valid.message()));
    } else if (std::find(out->begin(), out->end(), pattern) != out->end()) {
      item.Problem(absl::StrCat(item.Shown(), " is in the list already"), "remove it");
    } else {
      out->push_back(pattern);
    }
  }
}

void ReadService(const Value& value, std::string* out) {
  std::string service;
  if (!Clean(value, [&] { ReadText(value, Secrecy::kOpen, &service); })) return;
  if (service.empty()) {
    value.Problem("is empty", "remove the key to take events of any source");
  } else if (service.find_first_of("*#") != std::string::npos) {
    value.Problem(absl::StrCat(value.Shown(), " has a wildcard; a source is matched whole"),
                  "name one source, or remove the key to take any");
  } else {
    *out = service;
  }
}

bool IsAttribute(absl::string_view name) {
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
  });
}

void ReadOrderBy(const Value& value, std::string* out) {
  std::string name;
  if (!Clean(value, [&] { ReadText(value, Secrecy::kOpen, &name); })) return;
  if (!IsAttribute(name)) {
    value.Problem(absl::StrCat(value.Shown(), " is no name of an attribute"),
                  "use lower-case letters and digits, as in subject or partitionkey");
  } else if (name == "id" || name == "data" || name == "specversion") {
    value.Problem(absl::StrCat("events cannot be ordered by ", name),
                  "use an attribute that related events share, as subject or partitionkey");
  } else {
    *out = name;
  }
}

void ReadDelivery(const Value& value, Route* route) {
  const Section section(value, {"mode", "order_by", "reliable"},
                        {{"expires", "expiry of broadcast queues (it comes with RabbitMQ)"},
                         {"prefetch", "RabbitMQ bus"},
                         {"queue_type", "RabbitMQ bus"},
                         {"batch", "batches for plugins"}});
  section.With(
      "mode", ReadChoice<DeliveryMode>,
      std::vector<std::pair<std::string, DeliveryMode>>{{"pool", DeliveryMode::kPool},
                                                        {"singleton", DeliveryMode::kSingleton},
                                                        {"broadcast", DeliveryMode::kBroadcast}},
      &route->mode);
  section.With("order_by", ReadOrderBy, &route->order_by);
  section.With("reliable", ReadBool, &route->reliable);
}

void ReadFrom(const Value& value, FromSpec* out) {
  std::string text;
  if (!Clean(value, [&] { ReadText(value, Secrecy::kOpen, &text); })) return;
  uint64_t offset = 0;
  if (text == "next") {
    out->kind = FromSpec::Kind::kNext;
  } else if (text == "first") {
    out->kind = FromSpec::Kind::kFirst;
  } else if (text == "last") {
    out->kind = FromSpec::Kind::kLast;
  } else if (text.find_first_not_of("0123456789") == std::string::npos &&
             absl::SimpleAtoi(text, &offset)) {
    out->kind = FromSpec::Kind::kOffset;
    out->offset = offset;
  } else if (const absl::StatusOr<Time> time = ParseTime(text); time.ok()) {
    out->kind = FromSpec::Kind::kTime;
    out->time = *time;
  } else {
    value.Problem(absl::StrCat(value.Shown(), " is no place in the log"),
                  "write next, first, last, an offset, or a time as 2026-01-31T12:00:00Z");
  }
}

void ReadTargets(const Value& value, std::vector<Target>* out) {
  const std::vector<Value> items = ReadItems(value);
  if (items.empty()) value.Problem("is an empty list", "name at least one plugin");
  for (const Value& item : items) ReadTarget(item, out);
}

void ReadRetry(const Value& value, Retry* retry) {
  const Section section(value, {"max_attempts", "initial", "max", "probe_limit"});
  section.With("max_attempts", ReadCount, 1u, 1000u, &retry->max_attempts);
  section.With("initial", ReadDuration, kMillisecond, &retry->initial);
  section.With("max", ReadDuration, kMillisecond, &retry->max);
  section.With("probe_limit", ReadDuration, kMillisecond, &retry->probe_limit);
  if (!section.Has("max") && retry->max < retry->initial) retry->max = retry->initial;
  if (retry->max < retry->initial) {
    value.Problem("max is shorter than initial", "raise max or lower initial");
  }
}

}  // namespace

void ReadSource(const Value& value, std::string* service, std::vector<std::string>* events) {
  const Section section(value, {"service", "events"});
  section.With("service", ReadService, service);
  section.With("events", ReadEvents, events);
}

void ReadRoute(const Value& value, Route* route) {
  const Section section(value, {"name", "source", "delivery", "from", "stages", "to", "retry",
                                "on_dead_letter", "park_limit", "park_overflow"});
  if (!value.node().IsMap()) {
    if (value.node().IsNull()) value.Problem("is empty", "write {name: ..., to: [...]}");
    return;
  }
  route->line = value.line();
  if (!section.Has("name")) value.Problem("has no name", "give name:");
  if (!section.Has("to")) value.Problem("has no target", "give to: [plugin]");
  section.With("name", ReadName, true, &route->name);
  section.With("source", ReadSource, &route->service, &route->events);
  section.With("delivery", ReadDelivery, route);
  section.With("from", ReadFrom, &route->from);
  section.With("stages", ReadStages, &route->stages);
  section.With("to", ReadTargets, &route->to);
  // A key waits behind its retries: about two minutes, not twenty.
  if (!route->order_by.empty()) route->retry.max_attempts = kOrderedAttempts;
  section.With("retry", ReadRetry, &route->retry);
  section.With(
      "on_dead_letter", ReadChoice<OnDeadLetter>,
      std::vector<std::pair<std::string, OnDeadLetter>>{{"continue", OnDeadLetter::kContinue},
                                                        {"stop", OnDeadLetter::kStop},
                                                        {"park", OnDeadLetter::kPark}},
      &route->on_dead_letter);
  section.With("park_limit", ReadCount, 1u, 10'000'000u, &route->park_limit);
  section.With("park_overflow", ReadChoice<ParkOverflow>,
               std::vector<std::pair<std::string, ParkOverflow>>{{"stop", ParkOverflow::kStop},
                                                                 {"dead", ParkOverflow::kDead}},
               &route->park_overflow);
  for (const char* key : {"park_limit", "park_overflow"}) {
    if (section.Has(key) && route->on_dead_letter != OnDeadLetter::kPark)
      section.Get(key)->Problem("counts only where events are parked",
                                "set on_dead_letter: park, or remove it");
  }
}

}  // namespace outboard::config
