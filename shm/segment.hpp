// Segment: memory that processes share, without a name: a sealed memfd, mapped.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include <steward/core/errors.hpp>
#include <steward/shm/unique_fd.hpp>

namespace steward::detail::shm {

// The kernel has no memory or no room for the mapping.
struct NoMemory : core::Failure {
  using core::Failure::Failure;
};

// Owns its descriptor and its mapping; gone from the system with the last holder anywhere. A forked
// child has neither: the mapping stays out of it, and so does the descriptor after an exec.
//
// Sparse: pages must be given memory (make_real) before they are touched, or the touch is a SIGBUS
// when the system has none left. Sealed: nobody who holds it can make it shorter. Thread safety:
// make_real() from any thread; the bytes are for the user to guard.
class Segment {
 public:
  // `size` bytes, all zero and none real; `name` shows up in /proc. Throws NoMemory.
  static Segment create(const std::string& name, std::uint64_t size);
  // Maps what create() made in some process. Throws NoMemory; BadCall, if the descriptor is no
  // sealed memfd: its memory could vanish under us.
  static Segment open(UniqueFd fd);

  Segment(Segment&&) noexcept;
  Segment& operator=(Segment&&) noexcept;
  ~Segment();

  std::byte* data() const { return data_; }
  std::uint64_t size() const { return size_; }
  int fd() const { return fd_.get(); }

  // Gives the bytes real pages; those that have some keep their contents. Throws NoMemory, and then
  // a part may have been done.
  void make_real(std::uint64_t offset, std::uint64_t size) const;
  // Takes the pages that lie wholly within away again. They read as zero until they are made real.
  void give_back(std::uint64_t offset, std::uint64_t size) const noexcept;

 private:
  struct Mapping;

  explicit Segment(UniqueFd fd);

  UniqueFd fd_;
  std::unique_ptr<Mapping> mapping_;
  std::byte* data_ = nullptr;
  std::uint64_t size_ = 0;
};

}  // namespace steward::detail::shm
