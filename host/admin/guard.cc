#include "host/admin/guard.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "host/admin/grpc_status.h"

namespace outboard::admin {
namespace {

using access::Role;

access::Visit VisitOf(access::Tokens* tokens, const grpc::ServerContextBase& context, Role needed,
                      const char* what) {
  const auto found = context.client_metadata().find("authorization");
  const bool shown = found != context.client_metadata().end();
  return {tokens, needed, what,
          shown ? std::string(found->second.data(), found->second.size()) : "", context.peer()};
}

absl::StatusOr<std::shared_ptr<const access::Caller>> Admit(access::Tokens* tokens,
                                                            const grpc::ServerContextBase& context,
                                                            Role needed, const char* what) {
  return VisitOf(tokens, context, needed, what).Admit();
}

// service.*method(arguments...) if its caller has the role.
template <typename Service, typename Method, typename... Arguments>
grpc::Status Guarded(access::Tokens* tokens, Role needed, const char* what, Service* service,
                     Method method, grpc::ServerContext* context, Arguments... arguments) {
  const auto caller = Admit(tokens, *context, needed, what);
  if (!caller.ok()) return ToGrpc(caller.status());
  return (service->*method)(context, arguments...);
}

// A stream that is refused.
template <typename Request, typename Response>
class Refused final : public grpc::ServerBidiReactor<Request, Response> {
 public:
  explicit Refused(const absl::Status& why) { this->Finish(ToGrpc(why)); }
  void OnDone() override { delete this; }
};

// A caller who may publish some types only, as a plugin, calls no pipelines.
absl::Status MayCall(const access::Caller& caller) {
  if (caller.types.empty()) return absl::OkStatus();
  return absl::PermissionDeniedError(
      absl::StrCat(caller.name,
                   " may publish some types only, and call no pipeline: for calls give a "
                   "token without types"));
}

grpc::ServerUnaryReactor* Refuse(grpc::CallbackServerContext* context, const absl::Status& why) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  reactor->Finish(ToGrpc(why));
  return reactor;
}

}  // namespace

// ---- AdminService
// --------------------------------------------------------------------------------

grpc::Status GuardedAdmin::GetStatus(grpc::ServerContext* context,
                                     const host::v1::GetStatusRequest* request,
                                     host::v1::GetStatusResponse* response) {
  return Guarded(tokens_, Role::kRead, "GetStatus", service_, &AdminService::GetStatus, context,
                 request, response);
}

grpc::Status GuardedAdmin::Tail(grpc::ServerContext* context, const host::v1::TailRequest* request,
                                grpc::ServerWriter<host::v1::TailResponse>* writer) {
  const access::Visit visit = VisitOf(tokens_, *context, Role::kRead, "Tail");
  return service_->TailOf(context, request, writer, &visit);
}

grpc::Status GuardedAdmin::ListDead(grpc::ServerContext* context,
                                    const host::v1::ListDeadRequest* request,
                                    host::v1::ListDeadResponse* response) {
  return Guarded(tokens_, Role::kRead, "ListDead", service_, &AdminService::ListDead, context,
                 request, response);
}

grpc::Status GuardedAdmin::GetDead(grpc::ServerContext* context,
                                   const host::v1::GetDeadRequest* request,
                                   host::v1::GetDeadResponse* response) {
  return Guarded(tokens_, Role::kRead, "GetDead", service_, &AdminService::GetDead, context,
                 request, response);
}

grpc::Status GuardedAdmin::ReplayDead(grpc::ServerContext* context,
                                      const host::v1::ReplayDeadRequest* request,
                                      host::v1::ReplayDeadResponse* response) {
  return Guarded(tokens_, Role::kOperate, "ReplayDead", service_, &AdminService::ReplayDead,
                 context, request, response);
}

grpc::Status GuardedAdmin::PurgeDead(grpc::ServerContext* context,
                                     const host::v1::PurgeDeadRequest* request,
                                     host::v1::PurgeDeadResponse* response) {
  return Guarded(tokens_, Role::kOperate, "PurgeDead", service_, &AdminService::PurgeDead, context,
                 request, response);
}

grpc::Status GuardedAdmin::Why(grpc::ServerContext* context, const host::v1::WhyRequest* request,
                               host::v1::WhyResponse* response) {
  return Guarded(tokens_, Role::kRead, "Why", service_, &AdminService::Why, context, request,
                 response);
}

grpc::Status GuardedAdmin::ListLanes(grpc::ServerContext* context,
                                     const host::v1::ListLanesRequest* request,
                                     host::v1::ListLanesResponse* response) {
  return Guarded(tokens_, Role::kRead, "ListLanes", service_, &AdminService::ListLanes, context,
                 request, response);
}

grpc::Status GuardedAdmin::ForgetLane(grpc::ServerContext* context,
                                      const host::v1::ForgetLaneRequest* request,
                                      host::v1::ForgetLaneResponse* response) {
  return Guarded(tokens_, Role::kOperate, "ForgetLane", service_, &AdminService::ForgetLane,
                 context, request, response);
}

grpc::Status GuardedAdmin::GroupDead(grpc::ServerContext* context,
                                     const host::v1::GroupDeadRequest* request,
                                     host::v1::GroupDeadResponse* response) {
  return Guarded(tokens_, Role::kRead, "GroupDead", service_, &AdminService::GroupDead, context,
                 request, response);
}

grpc::Status GuardedAdmin::EditDead(grpc::ServerContext* context,
                                    const host::v1::EditDeadRequest* request,
                                    host::v1::EditDeadResponse* response) {
  return Guarded(tokens_, Role::kOperate, "EditDead", service_, &AdminService::EditDead, context,
                 request, response);
}

grpc::Status GuardedAdmin::PauseLane(grpc::ServerContext* context,
                                     const host::v1::PauseLaneRequest* request,
                                     host::v1::PauseLaneResponse* response) {
  return Guarded(tokens_, Role::kOperate, "PauseLane", service_, &AdminService::PauseLane, context,
                 request, response);
}

grpc::Status GuardedAdmin::Reload(grpc::ServerContext* context,
                                  const host::v1::ReloadRequest* request,
                                  host::v1::ReloadResponse* response) {
  return Guarded(tokens_, Role::kOperate, "Reload", service_, &AdminService::Reload, context,
                 request, response);
}

// ---- PublisherService
// ----------------------------------------------------------------------------

grpc::ServerUnaryReactor* GuardedPublisher::Publish(grpc::CallbackServerContext* context,
                                                    const grpc::ByteBuffer* request,
                                                    grpc::ByteBuffer* response) {
  const auto caller = Admit(tokens_, *context, Role::kPublish, "Publish");
  if (!caller.ok()) return Refuse(context, caller.status());
  return service_->PublishFrom({tokens_, *caller}, context, request, response);
}

grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* GuardedPublisher::PublishStream(
    grpc::CallbackServerContext* context) {
  access::Visit visit = VisitOf(tokens_, *context, Role::kPublish, "PublishStream");
  const auto caller = visit.Admit();
  if (!caller.ok()) return new Refused<grpc::ByteBuffer, grpc::ByteBuffer>(caller.status());
  return service_->PublishStreamFrom({tokens_, *caller, std::move(visit)});
}

// ---- PipelineService
// -----------------------------------------------------------------------------

grpc::ServerUnaryReactor* GuardedPipelines::Invoke(grpc::CallbackServerContext* context,
                                                   const host::v1::InvokeRequest* request,
                                                   host::v1::InvokeResponse* response) {
  const auto caller = Admit(tokens_, *context, Role::kPublish, "Invoke");
  if (!caller.ok()) return Refuse(context, caller.status());
  if (const absl::Status may = MayCall(**caller); !may.ok()) return Refuse(context, may);
  return service_->Invoke(context, request, response);
}

grpc::ServerBidiReactor<host::v1::InvokeStreamRequest, host::v1::InvokeStreamResponse>*
GuardedPipelines::InvokeStream(grpc::CallbackServerContext* context) {
  access::Visit visit = VisitOf(tokens_, *context, Role::kPublish, "InvokeStream");
  const auto caller = visit.Admit();
  const absl::Status may = caller.ok() ? MayCall(**caller) : caller.status();
  if (may.ok()) return service_->InvokeStreamOf(context, std::move(visit));
  return new Refused<host::v1::InvokeStreamRequest, host::v1::InvokeStreamResponse>(may);
}

}  // namespace outboard::admin
