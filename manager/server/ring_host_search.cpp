// RingHost: which of the stubs that the core asks for are still in a ring.
#include <algorithm>
#include <chrono>
#include <utility>

#include <steward/manager/server/ring_host.hpp>

namespace steward::detail::server {
namespace {

// Blocks that are looked at in one pass, of all rings together: a millisecond or so, while the
// blocks of one ring may be millions.
constexpr std::uint32_t kSearchBlocks = 1U << 15U;
// What a ring costs beside its blocks, in blocks.
constexpr std::uint32_t kSearchRing = 32;
// Nobody says when a stub has left the hands of somebody whom the core does not know.
constexpr core::Duration kSearchAgain = std::chrono::seconds(10);

std::uint64_t number_in(const shm::SharedQueue::OneWord& stub) {
  std::uint64_t number = 0;
  for (std::size_t i = stub.size(); i > 0; --i) {
    number = number << 8U | std::to_integer<std::uint64_t>(stub[i - 1]);
  }
  return number;
}

}  // namespace

// Behind all other work of this pass: what is put meanwhile is found.
void RingHost::look(Ring& ring, const std::vector<RingItem>& items) {
  searched_.insert(ring.object);
  for (const RingItem& item : items) ring.search.next.insert(item.number);
}

// Each ring in its turn, and as far as this pass allows.
void RingHost::search(core::Time now) {
  if (search_again_ && *search_again_ <= now) {
    searched_.merge(searched_later_);
    searched_later_.clear();
    search_again_.reset();
  }
  for (std::uint32_t left = kSearchBlocks; left > 0 && !searched_.empty();) {
    auto object = searched_.upper_bound(last_searched_);
    if (object == searched_.end()) object = searched_.begin();
    last_searched_ = *object;
    if (search(rings_.at(*object), left, now)) searched_.erase(object);
  }
}

// A stub stays in its block until it is gone for good, so a part of the walk may wait. True: that
// was all for now.
bool RingHost::search(Ring& ring, std::uint32_t& left, core::Time now) {
  Search& search = ring.search;
  if (search.missing.empty()) {
    search.missing.swap(search.next);
    search.missing.merge(search.later);
    search.later.clear();
    search.block = 0;
    if (search.missing.empty()) return true;
  }
  left -= std::min(left, kSearchRing);
  const auto see = [&](const shm::SharedQueue::OneWord& stub, bool in_hands) {
    const auto found = search.missing.find(number_in(stub));
    if (found == search.missing.end()) return true;
    auto number = search.missing.extract(found);
    if (in_hands) search.later.insert(std::move(number));
    return !search.missing.empty();
  };
  try {
    const auto format = static_cast<std::uint32_t>(RingFormat::stub);
    const auto next = ring.queue->look_for(format, search.block, left, see);
    if (next) search.block = *next;
    if (next && !search.missing.empty()) return false;
  } catch (const shm::Damaged&) {
    // Nothing is known of them: they stay.
    search = {};
    return true;
  }
  if (!search.later.empty()) {
    searched_later_.insert(ring.object);
    if (!search_again_) search_again_ = now + kSearchAgain;
  }
  if (!search.missing.empty()) {
    make_room(1);
    done_.push_back({.object = ring.object,
                     .let_go = {search.missing.begin(), search.missing.end()}});
    search.missing.clear();
  }
  return search.next.empty();
}

}  // namespace steward::detail::server
