#pragma once

#include <atomic>

#include "host/admin/snapshot.h"
#include "host/bus/bus.h"
#include "outboard/host/v1/admin.grpc.pb.h"

namespace outboard::admin {

// AdminService over a bus and snapshots; a synchronous service, since its calls read disks. `bus`
// outlives it.
class AdminService final : public host::v1::AdminService::Service {
 public:
  AdminService(bus::Bus* bus, TakeSnapshot take) : bus_(bus), take_(std::move(take)) {}

  // Ends the Tail calls, so that the server can stop.
  void Stop() { stopping_ = true; }

  grpc::Status GetStatus(grpc::ServerContext*, const host::v1::GetStatusRequest*,
                         host::v1::GetStatusResponse* response) override;
  grpc::Status Tail(grpc::ServerContext* context, const host::v1::TailRequest* request,
                    grpc::ServerWriter<host::v1::TailResponse>* writer) override;
  grpc::Status ListDead(grpc::ServerContext*, const host::v1::ListDeadRequest* request,
                        host::v1::ListDeadResponse* response) override;
  grpc::Status GetDead(grpc::ServerContext*, const host::v1::GetDeadRequest* request,
                       host::v1::GetDeadResponse* response) override;
  grpc::Status ReplayDead(grpc::ServerContext*, const host::v1::ReplayDeadRequest* request,
                          host::v1::ReplayDeadResponse* response) override;
  grpc::Status PurgeDead(grpc::ServerContext*, const host::v1::PurgeDeadRequest* request,
                         host::v1::PurgeDeadResponse* response) override;
  grpc::Status ListLanes(grpc::ServerContext*, const host::v1::ListLanesRequest*,
                         host::v1::ListLanesResponse* response) override;
  grpc::Status ForgetLane(grpc::ServerContext*, const host::v1::ForgetLaneRequest* request,
                          host::v1::ForgetLaneResponse* response) override;

 private:
  bus::Bus* const bus_;
  const TakeSnapshot take_;
  std::atomic<bool> stopping_{false};
};

}  // namespace outboard::admin
