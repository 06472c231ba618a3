#include "host/http/upload.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "host/base/text.h"
#include "host/http/push_back.h"

namespace outboard::http {
namespace {

constexpr size_t kShownType = 100;

}  // namespace

Upload::Upload(UploadHead head, const EventLimits& limits, ingress::Ingress* ingress,
               std::shared_ptr<ingress::Bound> bodies)
    : head_(std::move(head)),
      limits_(limits),
      ingress_(ingress),
      bodies_(std::move(bodies)),
      room_(bodies_) {
  const std::optional<EventForm> form = FormOf(head_.events);
  form_ = form.value_or(EventForm::kBinary);
  if (ingress_->IsClosed(ingress::Protocol::kHttp)) {
    Refuse({.status = 503,
            .detail = "the host is shutting down: publish to another one, or again once it is back",
            .retry_after = kRetryLater});
  } else if (!form) {
    const std::string& type = head_.events.content_type;
    Refuse({.status = 415,
            .detail = absl::StrCat(
                type.empty()
                    ? "there is no Content-Type"
                    : absl::StrCat("Content-Type ", Truncate(EscapeForPeople(type), kShownType),
                                   " is none of CloudEvents'"),
                ", and there are no ce- headers: ", FormsText())});
  } else if (head_.length && *head_.length > MaxBody(form_, limits_)) {
    RefuseTooLarge();
  }
}

const Answer* Upload::early() const {
  const bool no_body = head_.length == 0u;
  const bool hopeless = head_.length && *head_.length > kMaxDiscarded;
  return refusal_ && (head_.expects_continue || no_body || hopeless) ? &*refusal_ : nullptr;
}

Upload::Added Upload::Add(absl::string_view data) {
  if (!refusal_ && body_.size() + data.size() > MaxBody(form_, limits_)) RefuseTooLarge();
  if (refusal_) {
    discarded_ += data.size();
    return discarded_ <= kMaxDiscarded ? Added::kOk : Added::kHopeless;
  }
  if (!room_.Take({data.size(), 0})) return Added::kNoRoom;
  body_.append(data.data(), data.size());
  return Added::kOk;
}

void Upload::PushBack() {
  ingress_->CountPushedBack(ingress::Protocol::kHttp, 1);
  Refuse(PushedBack(absl::StrCat("too much is under way already: bodies of ",
                                 bodies_->under_way().bytes, " bytes are coming in, of at most ",
                                 bodies_->most().bytes, ": publish again a little later")));
}

void Upload::Refuse(const Problem& problem) {
  refusal_ = problem.ToAnswer();
  room_.GiveBack();
  body_ = std::string();
}

void Upload::RefuseTooLarge() {
  const size_t most = MaxBody(form_, limits_);
  ingress_->CountRefused(ingress::Protocol::kHttp, 1);
  Refuse({.status = 413,
          .detail = IsBatch(form_)
                        ? absl::StrCat("the batch has more than ", most,
                                       " bytes, which is the limit; send it in parts")
                        : absl::StrCat("the body has more than ", most,
                                       " bytes: an event may have ", limits_.max_bytes,
                                       " (bus.max_event_bytes); put large data elsewhere and send "
                                       "a reference (dataref)")});
}

}  // namespace outboard::http
