# Faults planted into copies of host/lane and host/pipeline, one a mutant, and the invariant by which the simulation must
# find each. FROM must occur exactly once in its file.

# ---- At most one settle per delivery; nothing is lost -------------------------------------------------

outboard_mutant(refused_emits_settled_twice
  INVARIANT "one settle"
  FILE dispatcher.cc
  FROM [[      Stop(item->lane);
      out->settlements.push_back(std::move(settlement));]]
  TO   [[      Stop(item->lane);
      bus::Settlement twice;
      twice.lane = item->lane_id;
      twice.tag = item->tag;
      twice.cookie = item->slot;
      twice.end = bus::End::kReturned;
      out->settlements.push_back(std::move(settlement));
      out->settlements.push_back(std::move(twice));]])

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
  FROM [[    others = item->lane->TakeFollowers(item->key, GivesBack(*item->lane));]]
  TO   [[]])

outboard_mutant(credit_while_some_go_back
  INVARIANT "order"
  FILE dispatcher.cc
  FROM [[  if (lane.ordered() && lane.going_back > 0) wanted = 0;]]
  TO   [[]])

# ---- Attempts only by answers and deadlines; delays; probing ------------------------------------------

outboard_mutant(lost_session_charges_an_attempt
  INVARIANT "attempts"
  FILE dispatch_suspects.cc
  FROM [[    item->lost_with = lost.size();
    AddSuspect(item);]]
  TO   [[    item->lost_with = lost.size();
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
  FROM [[    SettleRetry(item, due, std::move(failure));]]
  TO   [[    SettleRetry(item, now, std::move(failure));]])

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
  INVARIANT "(views|cause)"
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
  FROM [[    if (IsOf(*item, build)) {
      Convict(item);]]
  TO   [[    if (!item->version.empty()) {
      Convict(item);]])

outboard_mutant(killer_never_convicted
  INVARIANT "liveness"
  FILE dispatch_suspects.cc
  FROM [[    if (IsOf(*item, build)) {
      Convict(item);]]
  TO   [[    if (IsOf(*item, build)) {
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

# ---- From hop to hop ----------------------------------------------------------------------------------

outboard_mutant(halted_event_counts_as_done
  INVARIANT "cause"
  FILE dispatch_hops.cc
  FROM [[  OnSuccess(*item, session.up());
  bus::Settlement settlement;
  settlement.end = bus::End::kDropped;]]
  TO   [[  OnSuccess(*item, session.up());
  bus::Settlement settlement;
  settlement.end = bus::End::kDone;]])

outboard_mutant(change_lost_on_the_way
  INVARIANT "walk"
  FILE dispatch_hops.cc
  FROM [[    event = *std::move(changed);]]
  TO   [[]])

outboard_mutant(another_event_taken_for_a_change
  INVARIANT "(walk|cause)"
  FILE dispatch_hops.cc
  FROM [[changed->id() != event.id() || changed->source() != event.source()]]
  TO   [[changed->source() != event.source()]])

outboard_mutant(failure_behind_tried_again_there
  INVARIANT "walk"
  FILE dispatch_answers.cc
  FROM [[    PlaceRetry(item, now + delay, std::move(failure));]]
  TO   [[    if (!lane.options().first) return Wait(item, now + delay);
    PlaceRetry(item, now + delay, std::move(failure));]])

outboard_mutant(key_freed_at_the_first_hop
  INVARIANT "order"
  FILE dispatch_hops.cc
  FROM [[  item->state = ItemState::kForwarded;]]
  TO   [[  lane.FreeKey(item, false);
  item->state = ItemState::kForwarded;]])

outboard_mutant(late_one_forgotten_with_its_session
  INVARIANT "liveness"
  FILE dispatch_sessions.cc
  FROM [[  for (Item* item : rest.late) EndLate(item);]]
  TO   [[]])

outboard_mutant(jam_not_told
  INVARIANT "liveness"
  FILE dispatch_hops.cc
  FROM [[    out->jams.push_back({lane.options().id, jammed});]]
  TO   [[    (void)jammed;]])

outboard_mutant(failing_open_fails
  INVARIANT "(cause|walk)"
  FILE dispatch_answers.cc
  FROM [[  } else if (lane.options().fail_open) {]]
  TO   [[  } else if (lane.options().fail_open && lane.options().calls) {]])

outboard_mutant(end_of_a_copy_reaches_the_bus
  INVARIANT "(one settle|cause)"
  FILE hops.cc
  FROM [[  if (before == before_.end() && observer == observers_.end()) return false;]]
  TO   [[  if (before == before_.end()) return false;]])

# ---- Calls ----------------------------------------------------------------------------------------------

outboard_mutant(answer_lost
  INVARIANT "calls"
  MODULE pipeline
  FILE walks.cc
  FROM [[      answer.payload = std::move(end.answer);]]
  TO   [[]])

outboard_mutant(passing_counts_as_hooking
  INVARIANT "calls"
  MODULE pipeline
  FILE walks.cc
  FROM [[    case Kind::kPassed: break;]]
  TO   [[    case Kind::kPassed: w.hooked = true; break;]])

outboard_mutant(change_of_a_call_lost
  INVARIANT "calls"
  MODULE pipeline
  FILE walks.cc
  FROM [[      if (end.changed) w.call = std::move(end.changed);]]
  TO   [[]])

outboard_mutant(lost_call_tried_again
  INVARIANT "calls"
  FILE dispatch_suspects.cc
  FROM [[    if (item->call != nullptr) {  // Who calls may call again.]]
  TO   [[    if (item->call != nullptr && draining) {]])

outboard_mutant(cancelled_call_waits_for_nobody
  INVARIANT "calls"
  FILE dispatch_calls.cc
  FROM [[    if (found == calls.end()) continue;]]
  TO   [[    if (found == calls.end() || found->second->state == ItemState::kReady) continue;]])

# ---- Pause --------------------------------------------------------------------------------------------

outboard_mutant(paused_lane_takes_more
  INVARIANT "credit"
  FILE dispatcher.cc
  FROM [[  } else if (GivesBack(lane) || circuit == CircuitState::kOpen ||]]
  TO   [[  } else if (draining || circuit == CircuitState::kOpen ||]])

outboard_mutant(pause_keeps_what_no_plugin_has
  INVARIANT "drain"
  FILE dispatch_changes.cc
  FROM [[  ReturnUnsent(lane, false);]]
  TO   [[]])

outboard_mutant(pause_keeps_suspects
  INVARIANT "(drain|stop)"
  FILE dispatch_changes.cc
  FROM [[    if (item->lane == lane) Return(item);]]
  TO   [[    if (item->lane == nullptr) Return(item);]])

outboard_mutant(retry_in_a_pause_is_kept
  INVARIANT "drain"
  FILE dispatch_answers.cc
  FROM [[      GivesBack(lane) || (!Lane::StandsBeforeSuspect(*item) && (down || Lane::FollowsBack(*item)));]]
  TO   [[      draining || (!Lane::StandsBeforeSuspect(*item) && (down || Lane::FollowsBack(*item)));]])

outboard_mutant(trial_goes_on_without_suspects
  INVARIANT "quarantine"
  FILE dispatch_changes.cc
  FROM [[  if (circuit_tries_suspects && on_trial == nullptr && !SuspectsLeft()) StartCircuitTrial();]]
  TO   [[]])

# ---- Later events of a key wait behind a dead letter --------------------------------------------------

outboard_mutant(key_goes_on_behind_a_letter
  INVARIANT "order"
  FILE dispatcher.cc
  FROM [[  if (item->end == bus::End::kDead && item->lane->options().parks && item->key != nullptr)]]
  TO   [[  if (item->end == bus::End::kDead && item->lane->options().parks && item->key != nullptr &&
      item->sequence == 0)]])

outboard_mutant(rest_of_a_run_does_not_follow
  INVARIANT "order"
  FILE lane.cc
  FROM [[  GoBackFrom(key, sequence);
  return taken;]]
  TO   [[  return taken;]])

outboard_mutant(what_waits_stays_behind_a_letter
  INVARIANT "order"
  FILE lane.cc
  FROM [[    if (item->sequence > sequence && !under_way && item->state != ItemState::kFree)]]
  TO   [[    if (item->sequence < sequence && !under_way && item->state != ItemState::kFree)]])

outboard_mutant(refused_emits_let_the_key_go
  INVARIANT "order"
  FILE dispatcher.cc
  FROM [[      for (Item* other : item->lane->TakeBehind(key, item->sequence)) Return(other);]]
  TO   [[]])

# ---- A dead letter stops its lane ---------------------------------------------------------------------

outboard_mutant(dead_letter_does_not_stop
  INVARIANT "stop"
  FILE dispatcher.cc
  FROM [[    ++item->lane->stats.dying;
    Stop(item->lane);
  }]]
  TO   [[    ++item->lane->stats.dying;
  }]])

outboard_mutant(refused_emits_do_not_stop
  INVARIANT "stop"
  FILE dispatcher.cc
  FROM [[      Stop(item->lane);
      out->settlements]]
  TO   [[      out->settlements]])

outboard_mutant(stopped_lane_takes_more
  INVARIANT "credit"
  FILE dispatcher.cc
  FROM [[  } else if (GivesBack(lane) || circuit == CircuitState::kOpen ||]]
  TO   [[  } else if (draining || lane.paused || circuit == CircuitState::kOpen ||]])

outboard_mutant(stop_keeps_what_no_plugin_has
  INVARIANT "drain"
  FILE dispatch_changes.cc
  FROM [[  lane->stats.stopped = lane->runs_dry = stopped;]]
  TO   [[  lane->stats.stopped = stopped;]])

outboard_mutant(goes_on_past_a_later_letter
  INVARIANT "(stop|credit)"
  FILE dispatch_changes.cc
  FROM [[  if (lane->stats.stops == in.stops) SetStopped(lane, false);]]
  TO   [[  SetStopped(lane, false);]])

outboard_mutant(resume_ends_the_stop
  INVARIANT "credit"
  FILE dispatch_changes.cc
  FROM [[  lane->paused = lane->stats.paused = in.paused;
]]
  TO   [[  lane->paused = lane->stats.paused = in.paused;
  if (!in.paused) SetStopped(lane, false);
]])

outboard_mutant(go_on_ends_the_pause
  INVARIANT "credit"
  FILE dispatch_changes.cc
  FROM [[  if (lane->stats.stops == in.stops) SetStopped(lane, false);]]
  TO   [[  if (lane->stats.stops == in.stops) SetStopped(lane, lane->paused = false);]])

# ---- Ends that outlive the host -------------------------------------------------------------------------

outboard_mutant(end_of_a_process_not_kept
  INVARIANT "known"
  FILE dispatch_suspects.cc
  FROM [[    KeepEnds(*item);]]
  TO   [[]])

outboard_mutant(cleared_suspect_stays_known
  INVARIANT "known"
  FILE dispatch_known.cc
  FROM [[  known_changed = known.erase(NameOf(item)) > 0 || known_changed;]]
  TO   [[]])

outboard_mutant(known_suspect_goes_with_others
  INVARIANT "suspects"
  FILE dispatch_known.cc
  FROM [[  item->lane->EraseReady(item);
  AddSuspect(item);]]
  TO   [[]])

outboard_mutant(full_count_needs_no_further_end
  INVARIANT "suspects"
  FILE dispatch_known.cc
  FROM [[  AddSuspect(item);]]
  TO   [[  if (item->ends < options.crash_limit) return AddSuspect(item);
  SetAside(item);]])
