#pragma once

#include <memory>

#include "host/access/tokens.h"
#include "host/admin/admin_service.h"
#include "host/admin/pipeline_service.h"
#include "host/admin/publisher_service.h"

// The services for callers who have to show a token: each call asks who it is, and hands over to
// the service itself. A call that is not listed here is UNIMPLEMENTED for them.
namespace outboard::admin {

class GuardedAdmin final : public host::v1::AdminService::Service {
 public:
  GuardedAdmin(access::Tokens* tokens, AdminService* service)
      : tokens_(tokens), service_(service) {}

  grpc::Status GetStatus(grpc::ServerContext* context, const host::v1::GetStatusRequest* request,
                         host::v1::GetStatusResponse* response) override;
  grpc::Status Tail(grpc::ServerContext* context, const host::v1::TailRequest* request,
                    grpc::ServerWriter<host::v1::TailResponse>* writer) override;
  grpc::Status ListDead(grpc::ServerContext* context, const host::v1::ListDeadRequest* request,
                        host::v1::ListDeadResponse* response) override;
  grpc::Status GroupDead(grpc::ServerContext* context, const host::v1::GroupDeadRequest* request,
                         host::v1::GroupDeadResponse* response) override;
  grpc::Status EditDead(grpc::ServerContext* context, const host::v1::EditDeadRequest* request,
                        host::v1::EditDeadResponse* response) override;
  grpc::Status GetDead(grpc::ServerContext* context, const host::v1::GetDeadRequest* request,
                       host::v1::GetDeadResponse* response) override;
  grpc::Status ReplayDead(grpc::ServerContext* context, const host::v1::ReplayDeadRequest* request,
                          host::v1::ReplayDeadResponse* response) override;
  grpc::Status PurgeDead(grpc::ServerContext* context, const host::v1::PurgeDeadRequest* request,
                         host::v1::PurgeDeadResponse* response) override;
  grpc::Status Why(grpc::ServerContext* context, const host::v1::WhyRequest* request,
                   host::v1::WhyResponse* response) override;
  grpc::Status ListLanes(grpc::ServerContext* context, const host::v1::ListLanesRequest* request,
                         host::v1::ListLanesResponse* response) override;
  grpc::Status ForgetLane(grpc::ServerContext* context, const host::v1::ForgetLaneRequest* request,
                          host::v1::ForgetLaneResponse* response) override;
  grpc::Status PauseLane(grpc::ServerContext* context, const host::v1::PauseLaneRequest* request,
                         host::v1::PauseLaneResponse* response) override;
  grpc::Status Reload(grpc::ServerContext* context, const host::v1::ReloadRequest* request,
                      host::v1::ReloadResponse* response) override;

 private:
  access::Tokens* const tokens_;
  AdminService* const service_;
};

class GuardedPublisher final : public host::v1::PublisherService::WithRawCallbackMethod_Publish<
                                   host::v1::PublisherService::WithRawCallbackMethod_PublishStream<
                                       host::v1::PublisherService::Service>> {
 public:
  GuardedPublisher(access::Tokens* tokens, PublisherService* service)
      : tokens_(tokens), service_(service) {}

  grpc::ServerUnaryReactor* Publish(grpc::CallbackServerContext* context,
                                    const grpc::ByteBuffer* request,
                                    grpc::ByteBuffer* response) override;
  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* PublishStream(
      grpc::CallbackServerContext* context) override;

 private:
  access::Tokens* const tokens_;
  PublisherService* const service_;
};

class GuardedPipelines final : public host::v1::PipelineService::WithCallbackMethod_Invoke<
                                   host::v1::PipelineService::WithCallbackMethod_InvokeStream<
                                       host::v1::PipelineService::Service>> {
 public:
  GuardedPipelines(access::Tokens* tokens, PipelineService* service)
      : tokens_(tokens), service_(service) {}

  grpc::ServerUnaryReactor* Invoke(grpc::CallbackServerContext* context,
                                   const host::v1::InvokeRequest* request,
                                   host::v1::InvokeResponse* response) override;
  grpc::ServerBidiReactor<host::v1::InvokeStreamRequest, host::v1::InvokeStreamResponse>*
  InvokeStream(grpc::CallbackServerContext* context) override;

 private:
  access::Tokens* const tokens_;
  PipelineService* const service_;
};

}  // namespace outboard::admin
