#include "host/admin/admin_service.h"

#include <algorithm>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "host/admin/event_proto.h"
#include "host/admin/grpc_status.h"
#include "host/admin/receipt_proto.h"
#include "host/admin/status_proto.h"
#include "host/admin/time_proto.h"
#include "host/base/status.h"
#include "host/route/filter.h"

namespace outboard::admin {
namespace {

constexpr size_t kTailBatch = 256;
constexpr int kMaxPatterns = 100;
constexpr auto kTailPause = std::chrono::milliseconds(50);

}  // namespace

grpc::Status AdminService::GetStatus(grpc::ServerContext*, const host::v1::GetStatusRequest*,
                                     host::v1::GetStatusResponse* response) {
  *response = ToStatus(host_.take());
  return grpc::Status::OK;
}

grpc::Status AdminService::ListLanes(grpc::ServerContext*, const host::v1::ListLanesRequest*,
                                     host::v1::ListLanesResponse* response) {
  host::v1::GetStatusResponse status = ToStatus(host_.take());
  response->mutable_lanes()->Swap(status.mutable_lanes());
  return grpc::Status::OK;
}

grpc::Status AdminService::TailOf(grpc::ServerContext* context,
                                  const host::v1::TailRequest* request,
                                  grpc::ServerWriter<host::v1::TailResponse>* writer,
                                  const access::Visit* visit) {
  if (request->types_size() > kMaxPatterns) {
    return ToGrpc(absl::InvalidArgumentError(
        absl::StrCat(request->types_size(),
                     " patterns of types are too many, since each event is "
                     "held against them: give at most ",
                     kMaxPatterns)));
  }
  route::Filter filter;
  for (const std::string& type : request->types()) {
    const absl::Status valid = route::ValidatePattern(type);
    if (!valid.ok()) return ToGrpc(valid);
    filter.types.push_back(type);
  }
  uint64_t next = bus_->NextOffset();
  next -= std::min<uint64_t>(request->last(), next > 0 ? next - 1 : 0);
  while (!context->IsCancelled() && !stopping_) {
    if (visit != nullptr) {
      const absl::Status allowed = visit->Admit().status();
      if (!allowed.ok()) return ToGrpc(allowed);
    }
    absl::StatusOr<std::vector<bus::LoggedEvent>> events = bus_->ReadLog(next, kTailBatch);
    if (!events.ok()) return ToGrpc(events.status());
    for (const bus::LoggedEvent& logged : *events) {
      next = logged.offset + 1;
      if (!route::Matches(filter, logged.event.source(), logged.event.type())) continue;
      host::v1::TailResponse response;
      SetEvent(logged.event, response.mutable_event());
      response.set_offset(logged.offset);
      SetTime(logged.accepted_at, response.mutable_accepted_at());
      for (const auto& [lane, placed] : logged.placed)
        SetReceipt(bus::Receipt{lane, bus::End::kDone, placed, ""}, response.add_receipts());
      if (!writer->Write(response)) return grpc::Status::OK;
    }
    if (events->empty()) std::this_thread::sleep_for(kTailPause);
  }
  return grpc::Status::OK;
}

grpc::Status AdminService::ForgetLane(grpc::ServerContext*,
                                      const host::v1::ForgetLaneRequest* request,
                                      host::v1::ForgetLaneResponse* response) {
  using Request = host::v1::ForgetLaneRequest;
  bus::Remainder remainder = bus::Remainder::kRefuse;
  if (request->remainder() == Request::REMAINDER_DISCARD) remainder = bus::Remainder::kDiscard;
  if (request->remainder() == Request::REMAINDER_TO_DEAD) remainder = bus::Remainder::kToDead;
  const absl::StatusOr<bus::Forgotten> forgotten = bus_->ForgetLane(request->lane(), remainder);
  if (!forgotten.ok()) return ToGrpc(forgotten.status());
  response->set_discarded(forgotten->discarded);
  response->set_to_dead(forgotten->to_dead);
  return grpc::Status::OK;
}

grpc::Status AdminService::PauseLane(grpc::ServerContext*,
                                     const host::v1::PauseLaneRequest* request,
                                     host::v1::PauseLaneResponse* response) {
  return ToGrpc(host_.pause_lane(request->lane(), request->paused(), response));
}

grpc::Status AdminService::Reload(grpc::ServerContext*, const host::v1::ReloadRequest* request,
                                  host::v1::ReloadResponse* response) {
  return ToGrpc(host_.reload(*request, response));
}

}  // namespace outboard::admin
