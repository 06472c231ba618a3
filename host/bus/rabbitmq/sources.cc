#include "host/bus/rabbitmq/sources.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "host/bus/rabbitmq/names.h"

namespace outboard::bus::rabbitmq {
namespace {

using dialect::Place;

bool TypeIsKey(const dialect::DialectOptions& dialect) {
  return dialect.kind == dialect::Kind::kCloudEvents ||
         dialect.mapping.type == dialect::Places{Place::At(Place::From::kRoutingKey)};
}

bool AnyMatches(const std::vector<std::string>& patterns, absl::string_view text) {
  return std::any_of(patterns.begin(), patterns.end(), [text](const std::string& pattern) {
    return route::TopicMatches(pattern, text);
  });
}

}  // namespace

Sources::Sources(const SourceOptions& others, const std::map<std::string, SourceOptions>& named)
    : others_(others), all_types_are_keys_(TypeIsKey(others.dialect)) {
  // What hosts publish there can be read as CloudEvents, whatever dialect wrote it.
  if (others.dialect.kind != dialect::Kind::kCloudEvents) by_exchange_[kAllExchange];
  for (const auto& [source, options] : named) {
    exchanges_[source] = options.exchange;
    by_exchange_[options.exchange] = options;
    all_types_are_keys_ = all_types_are_keys_ && TypeIsKey(options.dialect);
  }
}

std::string Sources::ExchangeOf(absl::string_view source) const {
  const std::string name(source.data(), source.size());
  const auto it = exchanges_.find(name);
  if (it != exchanges_.end()) return it->second;
  return IsReserved(name) ? kAllExchange : name;
}

absl::Status Sources::CheckService(const std::string& service) const {
  if (!IsReserved(service) || exchanges_.contains(service)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("names of exchanges that begin with outboard. or amq. are not for sources, as '",
                   service, "' is: give its exchange another name in bus.sources"));
}

std::string Sources::BoundTo(const route::Filter& filter) const {
  return filter.service.empty() ? kAllExchange : ExchangeOf(filter.service);
}

bool Sources::TypesAreKeys(const route::Filter& filter) const {
  if (filter.service.empty()) return all_types_are_keys_;
  return TypeIsKey(dialect(ExchangeOf(filter.service)));
}

std::set<Binding> Sources::BindingsOf(const std::vector<route::Filter>& filters) const {
  static const std::vector<std::string> all = {"#"};
  std::set<Binding> bindings;
  for (const route::Filter& filter : filters) {
    const std::string exchange = BoundTo(filter);
    const bool by_type = !filter.types.empty() && TypesAreKeys(filter);
    for (const std::string& key : by_type                  ? filter.types
                                  : filter.service.empty() ? all
                                                           : routing_keys(exchange)) {
      bindings.emplace(exchange, key);
    }
  }
  return bindings;
}

bool Sources::FiltersAfter(const std::vector<route::Filter>& filters) const {
  return std::any_of(filters.begin(), filters.end(), [this](const route::Filter& filter) {
    return !filter.types.empty() && !TypesAreKeys(filter);
  });
}

bool Sources::Takes(const std::vector<route::Filter>& filters, absl::string_view exchange,
                    absl::string_view type) const {
  return std::any_of(filters.begin(), filters.end(), [&](const route::Filter& filter) {
    if (!filter.service.empty() && ExchangeOf(filter.service) != exchange) return false;
    return filter.types.empty() || AnyMatches(filter.types, type);
  });
}

bool Sources::AnyForeign(const std::vector<route::Filter>& filters) const {
  return std::any_of(filters.begin(), filters.end(), [this](const route::Filter& filter) {
    return !filter.service.empty() && !declares(ExchangeOf(filter.service));
  });
}

absl::Status Sources::CheckKey(absl::string_view source, const std::string& exchange,
                               absl::string_view key) const {
  const std::vector<std::string>& keys = routing_keys(exchange);
  if (AnyMatches(keys, key)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("source '", source, "': only messages with the routing keys ",
                   absl::StrJoin(keys, ", "), " are events of it, and '", key,
                   "' is none: publish it from another source, or add the type to routing_keys "
                   "in bus.sources"));
}

}  // namespace outboard::bus::rabbitmq
