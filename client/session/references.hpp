// References: which objects of the manager this process refers to, how many grants the manager
// counts for them, and which of those are to go back.
//
// A value. Thread safety: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string_view>

#include <steward/client/grants.hpp>
#include <steward/core/token.hpp>

namespace steward::detail::client {

class References {
 public:
  bool contains(core::ObjectId object) const { return known_.contains(object); }
  // The reference of this object that is in use; null: there is none (any more).
  core::ReferencePtr find(core::ObjectId object) const;
  // Its type; empty: not known.
  std::string_view type(core::ObjectId object) const;
  // The manager has granted the object once more; `reference` stands for it from now on. Returns
  // whether it did not before.
  bool granted(const core::ReferencePtr& reference);
  // Likewise, but to a session that is over: the object is to be claimed, if it was not known.
  bool granted_before(const core::ReferencePtr& reference);
  // A reference is dying. Nobody can find it any more, but a new one for the same object may have
  // taken its place. Returns whether it was the last one: then the object's grants are owed.
  bool released(const core::Reference& reference);
  bool empty() const { return known_.empty(); }

  // These are to go back to the manager.
  void owe(const Grants& grants);
  bool owes() const { return !owed_.empty(); }
  // At most `count` of them, to be sent now.
  Grants take_owed(std::size_t count);
  // They were not sent after all.
  void owe_again(Grants& grants) noexcept { owed_.merge(grants); }

  // The session was lost, and its grants with it: all objects must be claimed for the next session.
  void lose() noexcept;
  // Has them claimed: those for which this was done already are left out. What throws is done again
  // next time.
  template <class F>
  void claim_lost(F claim) {
    if (lost_ == 0) return;
    for (auto& [object, known] : known_) {
      if (!known.lost) continue;
      claim(object);
      known.lost = false;
      --lost_;
    }
  }
  // The claim of an object for a new session has succeeded. If it is not in use any more, the grant
  // is owed.
  void renewed(core::ObjectId object);

 private:
  struct Known {
    std::weak_ptr<const core::Reference> pointer;
    // The same. Valid while it stands here: a reference takes its own out as it dies. (One may not
    // hold a shared_ptr here: it might turn out to be the last one.)
    const core::Reference* newest = nullptr;
    std::uint64_t references = 0;                  // that are alive or dying
    std::uint64_t grants = 0;
    bool lost = false;                             // to be claimed
  };
  static bool refer(Known& known, const core::ReferencePtr& reference);
  // In an order that does not depend on the process.
  std::map<core::ObjectId, Known> known_;
  Grants owed_;
  std::size_t lost_ = 0;
};

}  // namespace steward::detail::client
