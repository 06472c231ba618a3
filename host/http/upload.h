#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "host/event/wire.h"
#include "host/http/answer.h"
#include "host/http/event_request.h"
#include "host/ingress/bound.h"
#include "host/ingress/ingress.h"

namespace outboard::http {

// What the headers of a POST /events say.
struct UploadHead {
  EventHeaders events;
  std::optional<uint64_t> length;  // Content-Length.
  bool expects_continue = false;   // The client sends the body only when it is asked for it.
};

// A POST /events while its body comes in: refuses it as early as can be known, and keeps no more of
// it than there is room for among all bodies that come in. One thread.
class Upload {
 public:
  // Of a body that is refused so much is read, so that the client gets to see the answer.
  static constexpr uint64_t kMaxDiscarded = uint64_t{64} << 20;

  Upload(UploadHead head, const EventLimits& limits, ingress::Ingress* ingress,
         std::shared_ptr<ingress::Bound> bodies);

  // The refusal that is to be sent at once, without reading the body; null: go on.
  const Answer* early() const;
  enum class Added : uint8_t { kOk, kNoRoom, kHopeless };
  // Takes more of the body. kNoRoom: nothing was taken; make some and come again, or PushBack.
  // kHopeless: far too much of it; close the connection.
  Added Add(absl::string_view data);
  // Refuses it, as others need or have the room.
  void PushBack();
  // The refusal, once the body is over; null: the rest of this holds the request.
  const Answer* refusal() const { return refusal_ ? &*refusal_ : nullptr; }

  EventForm form() const { return form_; }
  EventHeaders& headers() { return head_.events; }
  std::string& body() { return body_; }
  ingress::Room& room() { return room_; }

 private:
  void Refuse(const Problem& problem);
  void RefuseTooLarge();

  UploadHead head_;
  const EventLimits limits_;
  ingress::Ingress* const ingress_;
  const std::shared_ptr<ingress::Bound> bodies_;
  EventForm form_ = EventForm::kBinary;
  ingress::Room room_;
  std::string body_;
  std::optional<Answer> refusal_;
  uint64_t discarded_ = 0;
};

}  // namespace outboard::http
