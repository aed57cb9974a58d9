// Of a remote session: that it is heard while the program is busy elsewhere.
#include <steward/client/live_session.hpp>
#include <steward/client/waiting.hpp>

namespace steward::client {
namespace {

// Two renewals may be lost before the lease is.
constexpr int kRenewalsPerLease = 3;
// What may be taken in when nobody else of the program waits at the connection.
constexpr std::chrono::milliseconds kGlance{1};
// While the connection is being repaired.
constexpr std::chrono::milliseconds kRepair{100};

}  // namespace

void LiveSession::keep_alive(std::chrono::milliseconds lease) {
  lease_ = lease;
  if (renewal_ || lease == std::chrono::milliseconds::zero()) return;
  renewal_ = std::make_unique<Renewal>([this] { return tend(); });
}

// On the renewal's thread. When nobody waits at the connection, nobody sees that it broke: so it
// leads for a moment, and longer while there is something to repair. Calls keep their own pace: it
// takes the lead from nobody, and is asleep nearly always.
core::Deadline LiveSession::tend() {
  Lock lock(mutex_);
  if (phase_ == Phase::closed) return std::nullopt;
  if (phase_ == Phase::online) send_control(core::encode_renew());
  const bool leads = !crew_.led();
  if (leads) {
    Waiter nobody;
    arrived_ = true;
    crew_.wait(lock, nobody, now() + (phase_ == Phase::online ? kGlance : kRepair));
  }
  if (phase_ == Phase::closed) return std::nullopt;
  if (phase_ == Phase::online) return now() + lease_ / kRenewalsPerLease;
  return now() + (leads ? std::chrono::milliseconds(0) : kRepair);
}

}  // namespace steward::client
