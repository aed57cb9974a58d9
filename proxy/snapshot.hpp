// Iteration over a snapshot: begin() fetches everything in one call, end() is a sentinel. What
// others change meanwhile is not seen.
#pragma once

#include <cstddef>
#include <iterator>
#include <memory>
#include <utility>
#include <vector>

namespace steward::detail::proxy {

// An input iterator that owns its snapshot, shared with its copies: a reference to an item holds as
// long as one of them lives. (So `auto& x = *list.begin()` dangles; `list.at(0)` is one item.)
// (Proxies define no const_iterator: test frameworks would take them for containers.)
template <class T>
class SnapshotIterator {
 public:
  using iterator_concept = std::input_iterator_tag;
  using iterator_category = std::input_iterator_tag;
  using value_type = T;
  using difference_type = std::ptrdiff_t;
  using reference = typename std::vector<T>::const_reference;
  using pointer = const T*;

  SnapshotIterator() = default;
  explicit SnapshotIterator(std::vector<T> items)
      : items_(std::make_shared<const std::vector<T>>(std::move(items))) {}

  reference operator*() const { return (*items_)[at_]; }
  pointer operator->() const { return &(*items_)[at_]; }
  SnapshotIterator& operator++() {
    ++at_;
    return *this;
  }
  SnapshotIterator operator++(int) {
    SnapshotIterator old = *this;
    ++at_;
    return old;
  }

  friend bool operator==(const SnapshotIterator& it, std::default_sentinel_t) {
    return !it.items_ || it.at_ == it.items_->size();
  }

 private:
  std::shared_ptr<const std::vector<T>> items_;
  std::size_t at_ = 0;
};

}  // namespace steward::detail::proxy
