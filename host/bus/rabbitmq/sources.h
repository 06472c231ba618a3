#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "host/dialect/dialect.h"
#include "host/route/filter.h"

namespace outboard::bus::rabbitmq {

// Exchange and routing key of a binding.
using Binding = std::pair<std::string, std::string>;

struct SourceOptions {
  std::string exchange = {};
  bool declare = true;  // false: others declare it, so it must be there already.
  std::vector<std::string> routing_keys = {"#"};  // Of those of its messages that are events.
  dialect::DialectOptions dialect = {};
};

// Which exchange is whose, and what its messages are. Never changes; any thread.
class Sources {
 public:
  // By name; `others` is of all that are not named, whose exchanges are called like they are.
  Sources(const SourceOptions& others, const std::map<std::string, SourceOptions>& named);

  // Of a name that no source's exchange may have, the one of sources that have none.
  std::string ExchangeOf(absl::string_view source) const;
  // INVALID_ARGUMENT: a lane cannot have it as its source.
  absl::Status CheckService(const std::string& service) const;
  bool declares(const std::string& exchange) const { return At(exchange).declare; }
  const std::vector<std::string>& routing_keys(const std::string& exchange) const {
    return At(exchange).routing_keys;
  }
  const dialect::DialectOptions& dialect(absl::string_view exchange) const {
    return At(exchange).dialect;
  }

  // What a lane is bound to. Where the type of a message is not its routing key, that is more than
  // the lane takes: FiltersAfter is true then, and Takes decides.
  std::set<Binding> BindingsOf(const std::vector<route::Filter>& filters) const;
  bool FiltersAfter(const std::vector<route::Filter>& filters) const;
  bool Takes(const std::vector<route::Filter>& filters, absl::string_view exchange,
             absl::string_view type) const;
  // True if one of the exchanges is declared by others.
  bool AnyForeign(const std::vector<route::Filter>& filters) const;
  // INVALID_ARGUMENT: a message with this routing key is no event of the exchange.
  absl::Status CheckKey(absl::string_view source, const std::string& exchange,
                        absl::string_view key) const;

 private:
  const SourceOptions& At(absl::string_view exchange) const {
    if (by_exchange_.empty()) return others_;  // The most common, on the path of every message.
    const auto it = by_exchange_.find(exchange);
    return it == by_exchange_.end() ? others_ : it->second;
  }
  // Where a lane with this filter is bound, and whether its patterns are routing keys there.
  std::string BoundTo(const route::Filter& filter) const;
  bool TypesAreKeys(const route::Filter& filter) const;

  const SourceOptions others_;
  std::map<std::string, std::string> exchanges_;  // By source.
  absl::flat_hash_map<std::string, SourceOptions> by_exchange_;
  bool all_types_are_keys_ = true;
};

}  // namespace outboard::bus::rabbitmq
