#include "plugins/producers/rabbitmq/window.h"

namespace outboard::rabbitmq {

void Window::Add(size_t item, size_t bytes, std::string_view message_id, std::string_view app_id) {
  publishes_.push_back({item, bytes, message_id, app_id});
  ++open_;
  bytes_ += bytes;
}

void Window::MarkReturned(std::string_view message_id, std::string_view app_id) {
  for (Publish& publish : publishes_) {
    if (!publish.open || publish.returned || publish.message_id != message_id ||
        publish.app_id != app_id) {
      continue;
    }
    publish.returned = true;
    return;
  }
}

void Window::Close(Publish* publish, std::vector<Answered>* answered) {
  if (!publish->open) return;
  publish->open = false;
  --open_;
  bytes_ -= publish->bytes;
  answered->push_back({publish->item, publish->returned});
}

std::vector<Window::Answered> Window::Answer(uint64_t tag, bool multiple) {
  std::vector<Answered> answered;
  const uint64_t end = first_ + publishes_.size();
  if (tag == 0 && multiple) tag = end - 1;  // All so far.
  if (tag < first_ || tag >= end) return answered;
  for (uint64_t one = multiple ? first_ : tag; one <= tag; ++one) {
    Close(&publishes_[one - first_], &answered);
  }
  while (!publishes_.empty() && !publishes_.front().open) {
    publishes_.pop_front();
    ++first_;
  }
  return answered;
}

}  // namespace outboard::rabbitmq
