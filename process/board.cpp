#include <steward/process/board.hpp>

#include <utility>

#include <steward/core/errors.hpp>

namespace steward::process {

Board Board::create() {
  shm::Segment segment = shm::Segment::create("steward-pool", sizeof(Words));
  segment.make_real(0, sizeof(Words));
  return Board(std::move(segment));
}

Board Board::open(shm::UniqueFd fd) { return Board(shm::Segment::open(std::move(fd))); }

Board::Board(shm::Segment segment)
    : segment_(std::move(segment)), words_(reinterpret_cast<Words*>(segment_.data())) {
  if (segment_.size() < sizeof(Words)) throw BadCall("the shared memory of a pool is too small");
}

}  // namespace steward::process
