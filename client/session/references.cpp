#include <steward/client/session/references.hpp>

#include <utility>

namespace steward::detail::client {

core::ReferencePtr References::find(core::ObjectId object) const {
  const auto known = known_.find(object);
  return known == known_.end() ? nullptr : known->second.pointer.lock();
}

bool References::refer(Known& known, const core::ReferencePtr& reference) {
  const bool same =
      !known.pointer.owner_before(reference) && !reference.owner_before(known.pointer);
  if (!same) {
    known.pointer = reference;
    known.newest = reference.get();
    ++known.references;
  }
  return !same;
}

bool References::granted(const core::ReferencePtr& reference) {
  Known& known = known_[reference->token().object];
  ++known.grants;
  return refer(known, reference);
}

bool References::granted_before(const core::ReferencePtr& reference) {
  const auto [known, added] = known_.try_emplace(reference->token().object);
  if (added) {
    known->second.lost = true;
    ++lost_;
  }
  return refer(known->second, reference);
}

std::string_view References::type(core::ObjectId object) const {
  const auto known = known_.find(object);
  const core::Reference* newest = known == known_.end() ? nullptr : known->second.newest;
  return newest == nullptr ? std::string_view() : newest->token().type;
}

bool References::released(const core::Reference& reference) {
  const auto known = known_.find(reference.token().object);
  if (known == known_.end()) return false;
  if (known->second.newest == &reference) known->second.newest = nullptr;
  if (--known->second.references > 0) return false;
  // First: without memory to owe them, the manager keeps the object until the session ends.
  if (known->second.lost) --lost_;
  const auto gone = known_.extract(known);
  if (gone.mapped().grants > 0) owed_[gone.key()] += gone.mapped().grants;
  return true;
}

void References::owe(const Grants& grants) {
  for (const auto& [object, times] : grants) owed_[object] += times;
}

Grants References::take_owed(std::size_t count) {
  if (owed_.size() <= count) return std::exchange(owed_, {});
  Grants taken;
  for (; count > 0; --count) taken.insert(owed_.extract(owed_.begin()));
  return taken;
}

void References::lose() noexcept {
  owed_.clear();
  for (auto& [object, known] : known_) {
    known.grants = 0;
    known.lost = true;
  }
  lost_ = known_.size();
}

void References::renewed(core::ObjectId object) {
  const auto known = known_.find(object);
  if (known != known_.end()) {
    ++known->second.grants;
  } else {
    ++owed_[object];
  }
}

}  // namespace steward::detail::client
