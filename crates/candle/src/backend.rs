//! The device and number type, and the way to and from host tensors.

use candle_core::{DType, Device, Tensor};
use fe_graph::{ExecutionError, Origin};

use crate::Precision;
use crate::fault::Fault;
use crate::kernel::elementwise::materialise;
use crate::kernel::{Element, Named, size};

/// The device on which graphs run, and the precision of its numbers.
#[derive(Clone, Debug)]
pub struct Backend {
    pub device: Device,
    pub precision: Precision,
    /// `cpu` or `cuda:0`.
    pub name: String,
}

impl Backend {
    /// Opens a device: `cpu`, or `cuda` or `cuda:1` in a build with the feature `cuda`.
    pub fn open(precision: Precision, device: &str) -> Result<Self, ExecutionError> {
        let fail = |message: String| ExecutionError::Backend { message, origin: Origin::default() };
        let (kind, number) = device.split_once(':').unwrap_or((device, "0"));
        let number = number.parse::<usize>().ok();
        let opened = match (kind, number) {
            ("cpu", _) if device == "cpu" => Device::Cpu,
            ("cuda", Some(_)) if !cfg!(feature = "cuda") => {
                return Err(fail(format!(
                    "the device `{device}` needs a build with CUDA support (the cargo feature `cuda`); use `cpu`"
                )));
            }
            ("cuda", Some(k)) => Device::new_cuda(k).map_err(|e| fail(format!("`{device}` cannot be opened: {e}")))?,
            _ => return Err(fail(format!("there is no device `{device}`; use `cpu`, `cuda` or `cuda:1`"))),
        };
        Ok(Self { device: opened, precision, name: device.into() })
    }

    /// The number type of the tensors.
    pub fn dtype(&self) -> DType {
        match self.precision {
            Precision::F32 => DType::F32,
            Precision::F64 => DType::F64,
        }
    }

    /// A host tensor on the device.
    pub fn upload(&self, tensor: &fe_graph::Tensor) -> Result<Tensor, Fault> {
        if size(&tensor.shape)? != tensor.values.len() {
            return Err(Fault::from("a tensor does not hold as many values as its shape says"));
        }
        let shape = tensor.shape.as_slice();
        Ok(match self.precision {
            Precision::F32 => {
                let values: Vec<f32> = tensor.values.iter().map(|&v| v as f32).collect();
                Tensor::from_vec(values, shape, &self.device)?
            }
            Precision::F64 => Tensor::from_vec(tensor.values.clone(), shape, &self.device)?,
        })
    }

    /// A tensor of no axes.
    pub fn scalar(&self, value: f64) -> Result<Tensor, Fault> {
        self.upload(&fe_graph::Tensor::scalar(value))
    }

    /// A tensor back on the host.
    pub fn download(&self, tensor: &Tensor) -> Result<fe_graph::Tensor, Fault> {
        fn read<T: Element>(tensor: &Tensor) -> Result<Vec<f64>, Fault> {
            // Any names serve: the values are read in the order of the dimensions.
            let axes: Vec<fe_graph::Axis> =
                (0..tensor.rank()).map(|k| fe_graph::Axis::plain(fe_graph::AxisId(k as u32))).collect();
            let values = materialise::<T>(Named { tensor, axes: &axes })?;
            Ok(values.into_iter().map(Element::wide).collect())
        }
        let host = tensor.to_device(&Device::Cpu)?;
        let values = match self.precision {
            Precision::F32 => read::<f32>(&host)?,
            Precision::F64 => read::<f64>(&host)?,
        };
        Ok(fe_graph::Tensor { shape: tensor.dims().to_vec(), values })
    }
}
