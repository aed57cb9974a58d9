// LeasedHandles: the handles that a session's manager has given and that are good for one claim. By
// it a handle that is given again, as by a second look at the same element of a list, finds what
// this process has of it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <unordered_map>

#include <steward/core/ids.hpp>
#include <steward/core/token.hpp>

namespace steward::detail::client {

// Thread safety and ownership: as of a container. Keeps no reference alive, and about as many
// entries as there are that live.
class LeasedHandles {
 public:
  // nullptr: none lives that came by this lease.
  core::ReferencePtr find(const core::Nonce& lease) const {
    const auto found = known_.find(lease);
    return found == known_.end() ? nullptr : found->second.lock();
  }
  void note(const core::Nonce& lease, const core::ReferencePtr& reference) {
    known_[lease] = reference;
    if (known_.size() < look_at_) return;
    std::erase_if(known_, [](const auto& entry) { return entry.second.expired(); });
    look_at_ = std::max(kFirstLook, 2 * known_.size());
  }
  std::size_t size() const { return known_.size(); }

 private:
  static constexpr std::size_t kFirstLook = 64;

  std::unordered_map<core::Nonce, std::weak_ptr<const core::Reference>> known_;
  std::size_t look_at_ = kFirstLook;
};

}  // namespace steward::detail::client
