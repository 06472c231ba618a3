#pragma once

#include <cstddef>
#include <optional>

#include "absl/strings/string_view.h"

namespace outboard::route {

// The words of a topic, one after the other. As in RabbitMQ the empty topic has no word, and two
// dots in a row have an empty word between them.
class TopicWords {
 public:
  explicit TopicWords(absl::string_view topic) : rest_(topic), done_(topic.empty()) { Cut(); }

  bool done() const { return done_; }
  absl::string_view word() const { return word_; }
  void Next() {
    if (word_.size() == rest_.size()) {
      done_ = true;
    } else {
      rest_.remove_prefix(word_.size() + 1);
      Cut();
    }
  }

 private:
  void Cut() { word_ = rest_.substr(0, rest_.find('.')); }

  absl::string_view rest_;  // From the current word on.
  absl::string_view word_;
  bool done_;
};

}  // namespace outboard::route
