# Faults planted into copies of host/lane, one a mutant, and the invariant by which the simulation must
# find each. FROM must occur exactly once in its file.

# ---- At most one settle per delivery; nothing is lost -------------------------------------------------

outboard_mutant(refused_emits_settled_twice
  INVARIANT "one settle"
  FILE dispatcher.cc
  FROM [[      out->settlements.push_back(std::move(settlement));
      continue;]]
  TO   [[      bus::Settlement twice;
      twice.lane = item->lane_id;
      twice.tag = item->tag;
      twice.cookie = item->slot;
      twice.end = bus::End::kReturned;
      out->settlements.push_back(std::move(settlement));
      out->settlements.push_back(std::move(twice));
      continue;]])

outboard_mutant(failed_settle_forgotten
  INVARIANT "liveness"
  FILE dispatcher.cc
  FROM [[    settle_again.emplace(now + options.settle_retry, std::move(settled.failed));]]
  TO   [[    settled.failed.reset();]])

outboard_mutant(settles_again_at_once
  INVARIANT "settle retry"
  FILE dispatcher.cc
  FROM [[    settle_again.emplace(now + options.settle_retry, std::move(settled.failed));]]
  TO   [[    settle_again.emplace(now, std::move(settled.failed));]])

outboard_mutant(drained_session_loses_its_deliveries
  INVARIANT "conserved"
  FILE dispatch_sessions.cc
  FROM [[      item->lane->PushReadyInPlace(item);]]
  TO   [[      item->state = ItemState::kFree;]])

outboard_mutant(wake_for_retries_forgotten
  INVARIANT "liveness"
  FILE dispatcher.cc
  FROM [[  if (!waiting.empty()) next = std::min(next, waiting.begin()->first);]]
  TO   [[]])

# ---- Emits are whole with the end ---------------------------------------------------------------------

outboard_mutant(last_emit_dropped
  INVARIANT "emits"
  FILE dispatcher.cc
  FROM [[  settlement.emits = std::move(emits);]]
  TO   [[  if (emits.size() > 1) emits.pop_back();
  settlement.emits = std::move(emits);]])

# ---- Order per key ------------------------------------------------------------------------------------

outboard_mutant(younger_wakes_before_older
  INVARIANT "order"
  FILE lane.cc
  FROM [[  if (item.key->owed > 0 || !IsOldestOfKey(item)) return false;]]
  TO   [[  if (item.key->owed > 0) return false;]])

outboard_mutant(key_freed_while_an_answer_is_owed
  INVARIANT "order"
  FILE lane.cc
  FROM [[  if (key->owed > 0) return;
  Item* oldest]]
  TO   [[  Item* oldest]])

outboard_mutant(run_joined_while_an_older_one_waits
  INVARIANT "order"
  FILE dispatch_frames.cc
  FROM [[  if (lane.probe.on || key->active.size() > 1) return;]]
  TO   [[  if (lane.probe.on) return;]])

outboard_mutant(followers_stay_when_one_goes_back
  INVARIANT "order"
  FILE dispatcher.cc
  FROM [[    others = item->lane->TakeFollowers(item->key, draining);]]
  TO   [[]])

outboard_mutant(credit_while_some_go_back
  INVARIANT "order"
  FILE dispatcher.cc
  FROM [[    if (lane.ordered() && lane.going_back > 0) wanted = 0;]]
  TO   [[]])

# ---- Attempts only by answers and deadlines; delays; probing ------------------------------------------

outboard_mutant(lost_session_charges_an_attempt
  INVARIANT "attempts"
  FILE dispatch_suspects.cc
  FROM [[    item->report = report;
    AddSuspect(item);]]
  TO   [[    item->report = report;
    ++item->attempts;
    AddSuspect(item);]])

outboard_mutant(one_attempt_too_many
  INVARIANT "attempts"
  FILE dispatch_answers.cc
  FROM [[item->attempts >= lane.options().retry.max_attempts]]
  TO   [[item->attempts > lane.options().retry.max_attempts]])

outboard_mutant(probing_charges_attempts
  INVARIANT "attempts"
  FILE dispatch_answers.cc
  FROM [[  return !lane.probe.on || now - lane.probe.since > lane.options().retry.probe_limit;]]
  TO   [[  return true;]])

outboard_mutant(two_probes_at_once
  INVARIANT "probing"
  FILE dispatch_frames.cc
  FROM [[  return !lane.probe.on || (lane.stats.in_flight == 0 && now >= lane.probe.next);]]
  TO   [[  return !lane.probe.on || now >= lane.probe.next;]])

outboard_mutant(retry_without_its_delay
  INVARIANT "delay"
  FILE dispatch_answers.cc
  FROM [[    SettleRetry(item, now + delay);]]
  TO   [[    SettleRetry(item, now);]])

# ---- Deadlines ----------------------------------------------------------------------------------------

outboard_mutant(deadline_runs_for_all
  INVARIANT "deadline"
  FILE session_ledger.cc
  FROM [[  const uint32_t limit = up_.concurrency == 0 ? ~uint32_t{0} : up_.concurrency;
  next_turn_]]
  TO   [[  const uint32_t limit = ~uint32_t{0};
  next_turn_]])

outboard_mutant(progress_does_not_renew
  INVARIANT "deadline"
  FILE session_ledger.cc
  FROM [[  if (renewed > entry->deadline) {]]
  TO   [[  if (renewed > entry->deadline && id == 0) {]])

# ---- Credits conserved, bounds kept -------------------------------------------------------------------

outboard_mutant(expired_ones_give_their_credit_back
  INVARIANT "limits"
  FILE session_ledger.cc
  FROM [[  return w > unanswered_ ? w - unanswered_ : 0;]]
  TO   [[  const auto owed = unanswered_ - std::min(unanswered_, static_cast<uint32_t>(stuck_.size()));
  return w > owed ? w - owed : 0;]])

outboard_mutant(window_of_the_plugin_ignored
  INVARIANT "limits"
  FILE session_ledger.cc
  FROM [[  return std::min({adaptive, max_deliveries_, plugin_window_});]]
  TO   [[  return std::min({adaptive, max_deliveries_});]])

outboard_mutant(lane_takes_more_than_its_bound
  INVARIANT "credit"
  FILE lane.cc
  FROM [[less(all_.lane_deliveries, total_)]]
  TO   [[less(all_.lane_deliveries, unsettled())]])

outboard_mutant(frame_leaves_before_its_linger
  INVARIANT "frames"
  FILE dispatch_frames.cc
  FROM [[  if (session.open_frames() < 2) return true;]]
  TO   [[  if (session.open_frames() < 3) return true;]])

outboard_mutant(protocol_error_forgiven
  INVARIANT "views"
  FILE dispatch_answers.cc
  FROM [[  session.broken = true;]]
  TO   [[]])

# ---- Crash attribution --------------------------------------------------------------------------------

outboard_mutant(two_in_quarantine
  INVARIANT "quarantine"
  FILE dispatch_suspects.cc
  FROM [[    if ((session->up().quarantine || session->reserved) && session->unanswered() > 0)]]
  TO   [[    if (session->up().quarantine && session->unanswered() > id)]])

outboard_mutant(quarantine_gets_other_work
  INVARIANT "quarantine"
  FILE dispatch_frames.cc
  FROM [[!session->broken && !session->up().quarantine && !session->reserved;]]
  TO   [[!session->broken && !session->reserved;]])

outboard_mutant(other_sessions_of_a_dead_process_tried
  INVARIANT "innocent"
  FILE dispatch_suspects.cc
  FROM [[        session->doubt_until > now || session->paused())]]
  TO   [[        session->paused())]])

outboard_mutant(convicted_without_a_control
  INVARIANT "conviction"
  FILE dispatch_suspects.cc
  FROM [[  if (counts && item->control_known) return Convict(item);]]
  TO   [[  if (counts && item->ends >= options.crash_limit) return Convict(item);]])

outboard_mutant(control_of_another_build
  INVARIANT "conviction"
  FILE dispatch_suspects.cc
  FROM [[    if (item->version == version) {
      Convict(item);]]
  TO   [[    if (!item->version.empty()) {
      Convict(item);]])

outboard_mutant(killer_never_convicted
  INVARIANT "liveness"
  FILE dispatch_suspects.cc
  FROM [[    if (item->version == version) {
      Convict(item);]]
  TO   [[    if (item->version == version) {
      ++trials;]])

outboard_mutant(failed_stream_proves_an_end
  INVARIANT "suspects"
  FILE dispatch_suspects.cc
  FROM [[  const bool vague = options.remote && cause == DownCause::kStreamFailed;]]
  TO   [[  const bool vague = false;]])

outboard_mutant(two_set_aside_open_no_circuit
  INVARIANT "circuit"
  FILE dispatch_suspects.cc
  FROM [[  if (++asides_since_success >= 2)]]
  TO   [[  if (++asides_since_success >= 3)]])

outboard_mutant(any_answer_closes_the_circuit
  INVARIANT "circuit"
  FILE dispatch_suspects.cc
  FROM [[void Dispatcher::Impl::EndCircuitTrial() {
  circuit = CircuitState::kOpen;]]
  TO   [[void Dispatcher::Impl::EndCircuitTrial() {
  circuit = CircuitState::kClosed;]])

# ---- Nothing outstanding after a drain ----------------------------------------------------------------

outboard_mutant(drain_keeps_what_is_set_aside
  INVARIANT "drain"
  FILE dispatcher.cc
  FROM [[  while (!set_aside.empty()) Return(set_aside.back());]]
  TO   [[]])
