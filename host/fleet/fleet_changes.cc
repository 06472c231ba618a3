// Instances of another spec join, those of the former one leave, and plugins come and go.
#include <algorithm>
#include <set>
#include <utility>

#include "host/base/log.h"
#include "host/base/status.h"
#include "host/fleet/fleet_impl.h"

namespace outboard::fleet {
namespace {

constexpr Duration kResolveEvery = std::chrono::seconds(10);

}  // namespace

// With the lowest number that no other has.
Fleet::Impl::Slot& Fleet::Impl::NewSlot(PluginId plugin) {
  PluginState& state = plugins_[plugin];
  std::set<uint32_t> numbers;
  for (const auto& slot : state.slots) {
    if (!slot->quarantine) numbers.insert(slot->number);
  }
  auto slot = std::make_unique<Slot>();
  slot->plugin = plugin;
  slot->spec = state.spec;
  slot->generation = state.generation;
  while (numbers.count(slot->number) > 0) ++slot->number;
  state.slots.push_back(std::move(slot));
  return *state.slots.back();
}

absl::Status Fleet::Impl::StartGeneration(PluginId plugin) {
  PluginState& state = plugins_[plugin];
  const PluginSpec& spec = *state.spec;
  if (!spec.remote()) {
    for (uint32_t i = 0; i < spec.instances; ++i) {
      const Slot& slot = NewSlot(plugin);
      OUTBOARD_RETURN_IF_ERROR(supervisor_->Start(spec.program, static_cast<int>(slot.number)));
    }
    return absl::OkStatus();
  }
  OUTBOARD_ASSIGN_OR_RETURN(RemoteAddress address, ParseAddress(spec.address));
  const uint64_t generation = state.generation;
  state.resolver = std::make_unique<Resolver>(
      std::move(address), kResolveEvery,
      [this, plugin, generation](std::vector<std::string> found) {
        Post([this, plugin, generation, found = std::move(found)] {
          OnAddresses(plugin, generation, found);
        });
      },
      [this, plugin](const absl::Status& status) {
        Post([this, plugin, status] {
          plugins_[plugin].problem = std::string(status.message());
          LogWarning("fleet", status.message(), {{"plugin", Spec(plugin).name}});
        });
      });
  return absl::OkStatus();
}

absl::Status Fleet::Impl::Join(PluginId plugin, PluginSpec spec) {
  absl::Status status;
  thread_->Run([this, plugin, &spec, &status] {
    if (stopping_) {
      status = absl::FailedPreconditionError("the host is shutting down");
      return;
    }
    while (plugins_.size() <= plugin) {  // Ids of plugins that never got so far are left out.
      PluginState& none = plugins_.emplace_back();
      none.spec = std::make_shared<const PluginSpec>();
      none.removed = true;
    }
    PluginState& state = plugins_[plugin];
    const bool is_new = state.removed;
    auto next = std::make_shared<const PluginSpec>(std::move(spec));
    state.former = is_new ? next : std::exchange(state.spec, next);
    state.spec = std::move(next);
    state.former_description = state.description;
    state.former_resolver = std::move(state.resolver);
    state.removed = false;
    state.join_problem.clear();
    state.former_generation = std::exchange(state.generation, ++state.last_generation);
    status = StartGeneration(plugin);
  });
  return status;
}

Joining Fleet::Impl::JoinState(PluginId plugin) {
  Joining out;
  thread_->Run([this, plugin, &out] {
    const PluginState& state = plugins_[plugin];
    out.wanted = state.spec->remote() ? 1 : state.spec->instances;
    out.failed = state.join_problem;
    out.problem = state.problem;
    out.description = state.description;
    for (const auto& slot : state.slots) {
      if (!IsJoining(*slot) || !slot->ready) continue;
      out.ready.push_back(slot->uid);
      out.description = slot->description;
    }
  });
  return out;
}

// It is not tried again: whoever asked for the change is to know.
void Fleet::Impl::FailJoin(Slot& slot, const std::string& why) {
  PluginState& state = plugins_[slot.plugin];
  if (state.join_problem.empty()) state.join_problem = why;
  LogError("fleet", why, {{"plugin", slot.spec->name}, {"instance", KeyOf(slot).Instance()}});
  slot.told = true;
  slot.leaving = true;
  EndForGood(slot);
}

void Fleet::Impl::Settle(PluginId plugin, bool keep) {
  std::unique_ptr<Resolver> unused;  // Ends on this thread.
  thread_->Run([this, plugin, keep, &unused] {
    PluginState& state = plugins_[plugin];
    if (state.former == nullptr) return;
    const uint64_t joined = state.generation;
    const bool was_new = state.former == state.spec;
    if (!keep) {
      state.spec = state.former;
      state.generation = state.former_generation;
      state.resolver.swap(state.former_resolver);
      state.problem.clear();
      state.description = state.former_description;
      state.removed = was_new;
    }
    state.former.reset();
    unused = std::move(state.former_resolver);
    Retire(plugin, [joined, keep](const Slot& slot) {
      return slot.quarantine || (slot.generation == joined) != keep;
    });
  });
}

void Fleet::Impl::Remove(PluginId plugin) {
  std::unique_ptr<Resolver> unused;
  thread_->Run([this, plugin, &unused] {
    PluginState& state = plugins_[plugin];
    state.removed = true;
    state.quarantine_wanted = false;
    unused = std::move(state.resolver);
    Retire(plugin, [](const Slot&) { return true; });
  });
}

void Fleet::Impl::Retire(PluginId plugin, const std::function<bool(const Slot&)>& which) {
  std::vector<Slot*> found;
  for (const auto& slot : plugins_[plugin].slots) {
    if (which(*slot) && !slot->leaving) found.push_back(slot.get());
  }
  for (Slot* slot : found) {
    slot->leaving = true;
    if (slot->ready) {
      slot->state = "draining";
      listener_->OnGoingAway(plugin, slot->uid);  // Replace follows when its sessions are over.
    } else {
      EndForGood(*slot);
    }
  }
}

void Fleet::Impl::EndForGood(Slot& slot) {
  if (!slot.spec->remote()) {
    slot.state = "stopping";
    return supervisor_->Stop(KeyOf(slot));  // Its end is told.
  }
  if (slot.connection) slot.connection->CancelCalls();
  if (slot.ready) listener_->OnGone(slot.plugin, slot.uid, true, "it left with a changed config");
  Forget(slot);
}

}  // namespace outboard::fleet
