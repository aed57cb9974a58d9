// References, how handles travel, and the record of locks held.
#include <algorithm>
#include <typeinfo>

#include <steward/client/client_reference.hpp>
#include <steward/client/live_session.hpp>
#include <steward/client/reference.hpp>
#include <steward/client/state.hpp>
#include <steward/core/auth.hpp>
#include <steward/core/reader.hpp>
#include <steward/core/writer.hpp>

namespace steward::client {
namespace {

std::string claim_arguments(core::ObjectId object, const std::optional<core::Nonce>& nonce) {
  std::string arguments;
  core::Writer writer(arguments);
  writer.array(2);
  writer.natural(core::number(object));
  if (nonce) {
    writer.bytes(nonce->view());
  } else {
    writer.nil();
  }
  return arguments;
}

}  // namespace

ClientReference::~ClientReference() {
  if (session_->inherited()) {
    abandon_ring();
    State::current().unbind(*this);
  } else {
    session_->release(*this);
  }
}

const ClientReference* ClientReference::from(const core::Reference& reference) {
  if (typeid(reference) != typeid(ClientReference)) return nullptr;
  return static_cast<const ClientReference*>(&reference);
}

core::Token ClientReference::outgoing() const {
  const SessionPtr session = session_of(shared_from_this());
  core::Token token = token_;
  token.nonce = core::random_id<core::Nonce>();
  CallOptions options;
  options.object_type = token.type;
  session->call(core::kManagerObject, "lease", claim_arguments(token.object, token.nonce), options);
  return token;
}

std::function<void()> ClientReference::recall(const core::Token& sent) const {
  if (!sent.nonce) return {};
  return [manager = sent.incarnation, nonce = *sent.nonce]() noexcept {
    try {
      const auto session = State::current().find(manager);
      if (session == nullptr) return;
      std::string arguments;
      core::Writer writer(arguments);
      writer.array(1);
      writer.bytes(nonce.view());
      session->post(core::kManagerObject, "revoke", arguments);
    } catch (...) {
      // No memory to say so: the lease ends by its time.
    }
  };
}

core::ReferencePtr LiveSession::adopt(core::Token token) {
  if (inherited()) return successor()->adopt(std::move(token));
  token.addresses = addresses_;
  token.nonce.reset();
  const core::ObjectId object = token.object;
  std::shared_ptr<const ClientReference> reference;  // let go after the lock
  const Lock lock(mutex_);
  if (const auto known = references_.find(object); known != references_.end()) {
    reference = known->second.pointer.lock();
  }
  if (reference == nullptr) {
    auto self = std::static_pointer_cast<LiveSession>(shared_from_this());
    reference = std::make_shared<const ClientReference>(std::move(token), std::move(self));
    references_.insert_or_assign(object, Known{reference, reference.get()});
    holds_.proxy_made(object);
  }
  ++reference->grants_;
  return reference;
}

core::ReferencePtr LiveSession::claim(const core::Token& token) {
  if (inherited()) return successor()->claim(token);
  CallOptions options;
  options.object_type = token.type;
  const auto result =
      call(core::kManagerObject, "claim", claim_arguments(token.object, token.nonce), options);
  core::Reader reader(*result);
  core::Token claimed = core::decode_token(reader.extension().payload);
  return adopt(std::move(claimed));
}

// The reference is dying: nobody can find it any more, but a new one for the same object may have
// taken its place.
void LiveSession::release(const ClientReference& reference) noexcept try {
  const Lock lock(mutex_);
  const auto known = references_.find(reference.token().object);
  if (known != references_.end() && known->second.reference == &reference) {
    references_.erase(known);
    holds_.last_proxy_gone(reference.token().object);
  }
  if (reference.grants_ > 0) drop({{reference.token().object, reference.grants_}});
} catch (...) {
  // No memory to say so: the manager keeps the object until the session ends.
}

void LiveSession::give_back(std::string_view result, const Grants& taken) noexcept try {
  if (inherited()) return;
  Grants grants = grants_in(result, incarnation_);
  for (const auto& [object, count] : taken) {
    const auto grant = grants.find(object);
    if (grant != grants.end()) grant->second -= std::min(grant->second, count);
  }
  std::erase_if(grants, [](const auto& grant) { return grant.second == 0; });
  const Lock lock(mutex_);
  drop(grants);
} catch (...) {
}

void LiveSession::drop(const Grants& grants) {
  if (grants.empty() || phase_ == Phase::closed || leaving_) return;
  const bool silent = !post_should_ask();
  PendingCall& call =
      number_call({{}, core::kManagerObject, "drop"}, drop_arguments(grants), silent);
  call.unattended = true;
  submit_post(call);
}

// After the session was lost: nothing that it was granted counts any more. Every reference that is
// still in use is claimed for the new one.
void LiveSession::renew_references() {
  for (const auto& [object, known] : references_) {
    known.reference->grants_ = 0;
    PendingCall& call = number_call({{}, core::kManagerObject, "claim"},
                                    claim_arguments(object, std::nullopt), false);
    call.renews = object;
  }
}

void LiveSession::renewed(core::ObjectId object) {
  const auto known = references_.find(object);
  if (known != references_.end()) {
    ++known->second.reference->grants_;
  } else {
    drop({{object, 1}});
  }
}

void LiveSession::hold_until_call_ends(core::ReferencePtr reference) {
  const Lock lock(mutex_);
  held_.emplace_back(thread_number(), std::move(reference));
}

core::Travel& LiveSession::travel() {
  if (inherited()) return successor()->travel();
  return travel_;
}

// To its own manager a handle goes bare, as long as this session keeps its object alive meanwhile.
core::Token LiveSession::SessionTravel::outgoing(const core::Reference& reference) {
  core::Token token = reference.token();
  if (token.incarnation != session_.incarnation_) return reference.outgoing();
  if (const ClientReference* own = ClientReference::from(reference); own == nullptr) {
    session_.hold_until_call_ends(session_.claim(token));
  } else if (own->session().get() != &session_) {
    session_of(own->shared_from_this());  // copied by a fork: claims it, once
  }
  token.addresses.clear();
  token.nonce.reset();
  return token;
}

core::ReferencePtr LiveSession::SessionTravel::incoming(core::Token token) {
  if (token.incarnation == session_.incarnation_) return session_.adopt(std::move(token));
  return std::make_shared<const core::Reference>(std::move(token));
}

Session::Hold LiveSession::hold(core::ObjectId lock) const {
  if (inherited()) return {};
  const Lock guard(mutex_);
  return holds_.find(lock, thread_number());
}

void LiveSession::note_grant(core::ObjectId lock, std::uint64_t token, bool previous_owner_died) {
  if (inherited()) return successor()->note_grant(lock, token, previous_owner_died);
  const Lock guard(mutex_);
  holds_.granted(lock, thread_number(), token, previous_owner_died);
}

void LiveSession::note_unlock(core::ObjectId lock) {
  if (inherited()) return successor()->note_unlock(lock);
  const Lock guard(mutex_);
  holds_.unlock(lock, thread_number());
}

bool LiveSession::unlock(core::ObjectId lock) {
  if (inherited()) return successor()->unlock(lock);
  const Lock guard(mutex_);
  switch (holds_.unlock(lock, thread_number())) {
    case Holds::Ended::held: post_now(lock, "unlock", core::kNoArguments); return true;
    case Holds::Ended::lost: return true;
    case Holds::Ended::never: break;
  }
  return false;
}

// No other thread has holds here, or looks for any. Without the mutex, which need not be at rest
// when this process forks in turn.
bool LiveSession::end_copied_hold(core::ObjectId lock) {
  return thread_number() == forked_by_ && holds_.unlock(lock, forked_by_) == Holds::Ended::lost;
}

}  // namespace steward::client
