#pragma once

#include <set>
#include <string>
#include <utility>

#include "outboard/plugin.h"

namespace outboard::common {

// The order keys whose events are not to be put any more in this batch, because one failed.
class FailedKeys {
 public:
  bool Has(const Context& context) const {
    return !keys_.empty() && keys_.count(KeyOf(context)) > 0;
  }
  void Add(const Context& context) {
    if (!context.order_key().empty()) keys_.insert(KeyOf(context));
  }

 private:
  static std::pair<std::string, std::string> KeyOf(const Context& context) {
    return {std::string(context.route()), std::string(context.order_key())};
  }

  std::set<std::pair<std::string, std::string>> keys_;
};

}  // namespace outboard::common
