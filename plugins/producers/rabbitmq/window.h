#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string_view>
#include <vector>

namespace outboard::rabbitmq {

// The publishes of one channel that the broker has not answered, in their order. Pure.
class Window {
 public:
  struct Answered {
    size_t item = 0;
    bool returned = false;  // To no queue.
  };

  // `first`: the tag of the first publish; each has one more than the one before.
  explicit Window(uint64_t first) : first_(first) {}

  // The next publish. Texts must live until it is answered.
  void Add(size_t item, size_t bytes, std::string_view message_id, std::string_view app_id);
  // The broker gave a message back; it answers it as well, later.
  void MarkReturned(std::string_view message_id, std::string_view app_id);
  // What an ack or a nack answers. A tag that is not open answers nothing.
  std::vector<Answered> Answer(uint64_t tag, bool multiple);

  size_t count() const { return open_; }
  size_t bytes() const { return bytes_; }

 private:
  struct Publish {
    size_t item, bytes;
    std::string_view message_id, app_id;
    bool open = true, returned = false;
  };

  void Close(Publish* publish, std::vector<Answered>* answered);

  uint64_t first_;  // Tag of the first one in `publishes_`.
  std::deque<Publish> publishes_;
  size_t open_ = 0, bytes_ = 0;
};

}  // namespace outboard::rabbitmq
