//! Dense linear algebra on small matrices, for curvature and covariance. A matrix is a row-major slice of n·n numbers.
//! Every function gives `None` where the slice is not of that size or holds a number that is not finite.

use nalgebra::{DMatrix, SymmetricEigen};

/// A symmetric matrix taken apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Eigen {
    /// Eigenvalues, in no particular order, `[n]`.
    pub values: Vec<f64>,
    /// Row i is the unit eigenvector of `values[i]` [n, n].
    pub vectors: Vec<f64>,
}

fn matrix(a: &[f64], n: usize) -> Option<DMatrix<f64>> {
    let fits = n.checked_mul(n) == Some(a.len()) && a.iter().all(|v| v.is_finite());
    fits.then(|| DMatrix::from_row_slice(n, n, a))
}

fn row_major(a: &DMatrix<f64>) -> Option<Vec<f64>> {
    // nalgebra stores columns.
    let values = a.transpose().as_slice().to_vec();
    values.iter().all(|v| v.is_finite()).then_some(values)
}

/// The lower L with L·Lᵀ = A; only A's lower triangle is read. `None` also where A is not positive definite.
pub fn cholesky(a: &[f64], n: usize) -> Option<Vec<f64>> {
    row_major(&matrix(a, n)?.cholesky()?.l())
}

/// The x with L·x = b, for a lower L without zeros on its diagonal.
pub fn solve_lower(l: &[f64], n: usize, b: &[f64]) -> Option<Vec<f64>> {
    if b.len() != n {
        return None;
    }
    let x = matrix(l, n)?.solve_lower_triangular(&DMatrix::from_column_slice(n, 1, b))?;
    x.iter().all(|v| v.is_finite()).then(|| x.as_slice().to_vec())
}

/// The inverse of a lower L without zeros on its diagonal.
pub fn invert_lower(l: &[f64], n: usize) -> Option<Vec<f64>> {
    row_major(&matrix(l, n)?.solve_lower_triangular(&DMatrix::identity(n, n))?)
}

/// Eigenvalues and vectors of a symmetric matrix. `None` also where the iteration does not converge.
pub fn symmetric_eigen(a: &[f64], n: usize) -> Option<Eigen> {
    let eigen = SymmetricEigen::try_new(matrix(a, n)?, f64::EPSILON, 1000 + 100 * n)?;
    // nalgebra's columns, read in storage order, are our rows.
    Some(Eigen { values: eigen.eigenvalues.as_slice().to_vec(), vectors: eigen.eigenvectors.as_slice().to_vec() })
}

/// The lower Cholesky factor of a covariance that suits the curvature `hessian`: the inverse of V·max(|Λ|, floor·λ)·Vᵀ,
/// where V·Λ·Vᵀ is the Hessian and λ the largest |Λ| (Nocedal and Wright 2006, section 3.4). Where the Hessian is well
/// positive definite this is the factor of its inverse; a direction that is flat or bends down gets the scale of its
/// |curvature|, and never a variance above 1/(floor·λ). `None` also for a zero Hessian.
pub fn covariance_factor(hessian: &[f64], n: usize, floor: f64) -> Option<Vec<f64>> {
    let Eigen { values, vectors } = symmetric_eigen(hessian, n)?;
    let largest = values.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    let mut scaled = vectors;
    for (row, value) in scaled.chunks_mut(n.max(1)).zip(&values) {
        let scale = value.abs().max(floor * largest).sqrt().recip();
        row.iter_mut().for_each(|v| *v *= scale);
    }
    let scaled = matrix(&scaled, n)?;
    cholesky(scaled.tr_mul(&scaled).as_slice(), n)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn product(a: &[f64], b: &[f64], n: usize) -> Vec<f64> {
        let mut c = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..n {
                c[i * n + j] = (0..n).map(|k| a[i * n + k] * b[k * n + j]).sum();
            }
        }
        c
    }

    fn transpose(a: &[f64], n: usize) -> Vec<f64> {
        (0..n * n).map(|i| a[(i % n) * n + i / n]).collect()
    }

    fn identity(n: usize) -> Vec<f64> {
        (0..n * n).map(|i| f64::from(u8::from(i / n == i % n))).collect()
    }

    fn close(a: &[f64], b: &[f64], tolerance: f64) {
        assert_eq!(a.len(), b.len());
        for (a, b) in a.iter().zip(b) {
            assert!((a - b).abs() < tolerance, "{a} {b}");
        }
    }

    fn positive(n: usize) -> Vec<f64> {
        let a: Vec<f64> = (0..n * n).map(|i| ((i * i + 3 * i) as f64).sin()).collect();
        let mut s = product(&a, &transpose(&a, n), n);
        (0..n).for_each(|i| s[i * n + i] += 0.5);
        s
    }

    #[test]
    fn cholesky_by_hand() {
        close(&cholesky(&[4.0, 2.0, 2.0, 5.0], 2).unwrap(), &[2.0, 0.0, 1.0, 2.0], 1e-15);
        assert_eq!(cholesky(&[1.0, 2.0, 2.0, 1.0], 2), None);
        assert_eq!(cholesky(&[f64::NAN], 1), None);
        assert_eq!(cholesky(&[1.0; 3], 2), None);
        assert_eq!(cholesky(&[], 0), Some(vec![]));
    }

    #[test]
    fn factors_multiply_back() {
        for n in [1, 2, 7, 40] {
            let a = positive(n);
            let l = cholesky(&a, n).unwrap();
            close(&product(&l, &transpose(&l, n), n), &a, 1e-11);
            assert!((0..n * n).all(|i| i % n <= i / n || l[i] == 0.0));
            close(&product(&l, &invert_lower(&l, n).unwrap(), n), &identity(n), 1e-11);
            let b: Vec<f64> = (0..n).map(|i| i as f64 - 2.0).collect();
            let x = solve_lower(&l, n, &b).unwrap();
            let back: Vec<f64> = (0..n).map(|i| (0..n).map(|j| l[i * n + j] * x[j]).sum()).collect();
            close(&back, &b, 1e-11);
        }
    }

    #[test]
    fn eigenvectors_diagonalise() {
        let n = 30;
        let mut a = positive(n);
        (0..n).for_each(|i| a[i * n + i] -= 20.0);
        let e = symmetric_eigen(&a, n).unwrap();
        close(&product(&e.vectors, &transpose(&e.vectors, n), n), &identity(n), 1e-12);
        let diagonal = product(&product(&e.vectors, &a, n), &transpose(&e.vectors, n), n);
        let expected: Vec<f64> = (0..n * n).map(|i| if i / n == i % n { e.values[i / n] } else { 0.0 }).collect();
        close(&diagonal, &expected, 1e-11);
        assert!(e.values.iter().any(|&v| v < 0.0));
    }

    #[test]
    fn covariance_of_a_positive_hessian_is_its_inverse() {
        let n = 12;
        let h = positive(n);
        let l = covariance_factor(&h, n, 1e-8).unwrap();
        close(&product(&product(&l, &transpose(&l, n), n), &h, n), &identity(n), 1e-9);
        assert!((0..n).all(|i| l[i * n + i] > 0.0));
    }

    #[test]
    fn covariance_of_an_indefinite_hessian() {
        // Eigenvalues 3 along (1, 1), −1 along (1, −1): the inverse of the one with 3 and 1.
        let l = covariance_factor(&[1.0, 2.0, 2.0, 1.0], 2, 1e-8).unwrap();
        let covariance = product(&l, &transpose(&l, 2), 2);
        close(&covariance, &[2.0 / 3.0, -1.0 / 3.0, -1.0 / 3.0, 2.0 / 3.0], 1e-14);
        // A flat direction gets the floor.
        let l = covariance_factor(&[4.0, 0.0, 0.0, 0.0], 2, 1e-2).unwrap();
        close(&l, &[0.5, 0.0, 0.0, 5.0], 1e-14);
        assert_eq!(covariance_factor(&[0.0; 4], 2, 1e-2), None);
        assert_eq!(covariance_factor(&[f64::INFINITY; 4], 2, 1e-2), None);
    }
}
